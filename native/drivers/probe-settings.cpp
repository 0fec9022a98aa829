#include "drivers/probe-settings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <optional>

namespace blk::drivers {
namespace {

using block::Limits;

constexpr std::int64_t kDefaultSize = 1 << 20;
constexpr std::int64_t kMaxErrno = 4095;

/// What a limit can be.
enum class Kind : std::uint8_t { kAlignment, kPreferred, kVectors, kBytes };

struct LimitField {
  const char* name;
  Kind kind;
  std::uint32_t Limits::* small;
  std::int64_t Limits::* large;
};

constexpr std::array<LimitField, 10> kFields{{
    {"request-alignment", Kind::kAlignment, &Limits::request_alignment, nullptr},
    {"memory-alignment", Kind::kAlignment, &Limits::memory_alignment, nullptr},
    {"optimal-memory-alignment", Kind::kAlignment, &Limits::optimal_memory_alignment, nullptr},
    {"max-transfer", Kind::kBytes, nullptr, &Limits::max_transfer},
    {"opt-transfer", Kind::kPreferred, &Limits::optimal_transfer, nullptr},
    {"max-iov", Kind::kVectors, &Limits::max_iov, nullptr},
    {"opt-write-zero", Kind::kPreferred, &Limits::write_zeroes_alignment, nullptr},
    {"max-write-zero", Kind::kBytes, nullptr, &Limits::max_write_zeroes},
    {"opt-discard", Kind::kPreferred, &Limits::discard_alignment, nullptr},
    {"max-discard", Kind::kBytes, nullptr, &Limits::max_discard},
}};

bool is_possible(Kind kind, std::int64_t value) {
  switch (kind) {
    case Kind::kAlignment:
      return value >= 1 && value <= block::kMaxAlignment &&
             std::has_single_bit(static_cast<std::uint64_t>(value));
    case Kind::kPreferred:
      return value >= 0 && value <= block::kMaxAlignment;
    case Kind::kVectors:
      return value >= 1 && value <= block::kMaxIov;
    case Kind::kBytes:
      return value >= 0 && value <= block::kMaxLength;
  }
  return false;
}

int fail_option(block::ErrorReport& report, const std::string& name, const std::string& value) {
  return report.fail(-EINVAL, "option-invalid", {{"option", name}, {"value", value}});
}

}  // namespace

int set_limit(Limits& limits, std::string_view name, std::int64_t value) {
  const auto* field = std::find_if(kFields.begin(), kFields.end(),
                                   [name](const LimitField& known) { return name == known.name; });
  if (field == kFields.end() || !is_possible(field->kind, value)) {
    return -EINVAL;
  }
  if (field->small != nullptr) {
    limits.*field->small = static_cast<std::uint32_t>(value);
  } else {
    limits.*field->large = value;
  }
  return 0;
}

int parse_probe_settings(const block::Options& options, ProbeSettings& settings,
                         block::ErrorReport& report) {
  settings.size = options.get_int("size", kDefaultSize);
  settings.variable_length = options.get_bool("variable-length", false);
  settings.note = options.get_string("note");
  settings.vmstate = options.get_bool("vmstate", false);
  settings.compress = options.get_bool("compress", false);
  settings.scsi = options.get_bool("scsi", false);
  settings.truncate_zeroes = options.get_bool("truncate-zeroes", true);
  const auto small = [&options](const char* name) {
    return static_cast<std::uint32_t>(options.get_int(name, 0));
  };
  settings.physical_block_size = small("physical-block-size");
  settings.logical_block_size = small("logical-block-size");
  settings.cylinders = small("cylinders");
  settings.heads = small("heads");
  settings.sectors = small("sectors");
  if (settings.size < 0) {
    return fail_option(report, "size", std::to_string(settings.size));
  }
  for (const LimitField& field : kFields) {
    if (!options.has(field.name)) {
      continue;
    }
    const std::int64_t value = options.get_int(field.name, 0);
    if (set_limit(settings.limits, field.name, value) != 0) {
      return fail_option(report, field.name, std::to_string(value));
    }
  }
  return 0;
}

int plan_failure(ProbeHooks& hooks, std::string_view text) {
  const auto [name, rest] = split(text, ':');
  const auto [error_text, times_text] = split(rest, ':');
  const std::optional<ProbeHook> hook = probe_hook_named(name);
  const std::optional<std::int64_t> error = parse_number(error_text);
  const std::optional<std::int64_t> times = times_text.empty() ? 1 : parse_number(times_text);
  if (!hook || !error || !times || !traits_of(*hook).fails) {
    return -EINVAL;
  }
  if (*error < 1 || *error > kMaxErrno || *times < 0 || *times > UINT32_MAX) {
    return -EINVAL;
  }
  hooks.fail_next(*hook, static_cast<int>(-*error), static_cast<std::uint32_t>(*times));
  return 0;
}

int plan_failures(ProbeHooks& hooks, std::string_view text) {
  while (!text.empty()) {
    const auto [first, rest] = split(text, ',');
    if (int error = plan_failure(hooks, first); error != 0) {
      return error;
    }
    text = rest;
  }
  return 0;
}

}  // namespace blk::drivers
