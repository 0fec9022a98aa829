#include "drivers/blkdebug-limits.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <string>

namespace blk::drivers {
namespace {

using block::Limits;

/// Reads one limit; false when it is no multiple of `unit`, or too large.
bool read_limit(const block::Options& options, const char* name, std::int64_t unit,
                std::int64_t& value, block::ErrorReport& report) {
  value = options.get_int(name, 0);
  if (value >= 0 && value < INT_MAX && value % unit == 0) {
    return true;
  }
  report.fail(-EINVAL, "blkdebug-limit",
              {{"option", name}, {"value", std::to_string(value)}, {"unit", std::to_string(unit)}});
  return false;
}

bool is_multiple(std::int64_t offset, std::int64_t bytes, std::int64_t unit) {
  return offset % unit == 0 && bytes % unit == 0;
}

bool is_at_most(std::int64_t bytes, std::int64_t limit, std::int64_t unit) {
  return limit == 0 || bytes <= std::max(limit, unit);
}

}  // namespace

int read_blkdebug_limits(const block::Options& options, std::uint32_t child_alignment,
                         Limits& limits, block::ErrorReport& report) {
  const std::int64_t own = options.get_int("align", 0);
  if (own < 0 || own > block::kMaxAlignment ||
      (own > 0 && !std::has_single_bit(static_cast<std::uint64_t>(own)))) {
    return report.fail(-EINVAL, "blkdebug-align", {{"align", std::to_string(own)}});
  }
  const std::int64_t align = std::max<std::int64_t>({own, child_alignment, 1});
  std::int64_t zero_align = 0;
  std::int64_t discard_align = 0;
  if (!read_limit(options, "max-transfer", align, limits.max_transfer, report) ||
      !read_limit(options, "opt-write-zero", align, zero_align, report) ||
      !read_limit(options, "max-write-zero", std::max(align, zero_align), limits.max_write_zeroes,
                  report) ||
      !read_limit(options, "opt-discard", align, discard_align, report) ||
      !read_limit(options, "max-discard", std::max(align, discard_align), limits.max_discard,
                  report)) {
    return report.error;
  }
  limits.request_alignment = static_cast<std::uint32_t>(std::max<std::int64_t>(own, 1));
  limits.write_zeroes_alignment = static_cast<std::uint32_t>(zero_align);
  limits.discard_alignment = static_cast<std::uint32_t>(discard_align);
  return 0;
}

std::int64_t zero_unit(const Limits& limits) {
  return std::max<std::int64_t>(limits.request_alignment, limits.write_zeroes_alignment);
}

bool is_transfer_within(const Limits& limits, std::int64_t offset, std::int64_t bytes) {
  const std::int64_t unit = limits.request_alignment;
  return is_multiple(offset, bytes, unit) && is_at_most(bytes, limits.max_transfer, unit);
}

bool is_aligned_within(const Limits& limits, std::int64_t offset, std::int64_t bytes) {
  return is_multiple(offset, bytes, limits.request_alignment);
}

bool is_zero_within(const Limits& limits, std::int64_t offset, std::int64_t bytes) {
  const std::int64_t unit = zero_unit(limits);
  return is_multiple(offset, bytes, unit) && is_at_most(bytes, limits.max_write_zeroes, unit);
}

bool is_discard_within(const Limits& limits, std::int64_t offset, std::int64_t bytes) {
  const std::int64_t least = limits.request_alignment;
  const std::int64_t unit = std::max<std::int64_t>(least, limits.discard_alignment);
  return is_multiple(offset, bytes, bytes >= unit ? unit : least) &&
         is_at_most(bytes, limits.max_discard, unit);
}

}  // namespace blk::drivers
