// The limits that a blkdebug node pretends to have, and whether requests keep to them.
#pragma once

#include <cstdint>

#include "block/error-report.hpp"
#include "block/limits.hpp"
#include "block/options.hpp"

namespace blk::drivers {

/// Reads align, max-transfer, opt-write-zero, max-write-zero, opt-discard and max-discard; 0 is
/// none. EINVAL where they cannot be met together, or above `child_alignment`.
int read_blkdebug_limits(const block::Options& options, std::uint32_t child_alignment,
                         block::Limits& limits, block::ErrorReport& report);

/// What the driver interface promises of a request to a node with these limits.
bool is_transfer_within(const block::Limits& limits, std::int64_t offset, std::int64_t bytes);
/// Of a question, which can be about any length.
bool is_aligned_within(const block::Limits& limits, std::int64_t offset, std::int64_t bytes);
/// Of one that is not smaller than zero_unit().
bool is_zero_within(const block::Limits& limits, std::int64_t offset, std::int64_t bytes);
/// Of one that is not smaller than the request alignment.
bool is_discard_within(const block::Limits& limits, std::int64_t offset, std::int64_t bytes);

/// Smaller zero-writes are not for the driver.
std::int64_t zero_unit(const block::Limits& limits);

}  // namespace blk::drivers
