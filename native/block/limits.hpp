// What a node can take, as its driver declares it and as its children force it to be.
#pragma once

#include <cstdint>

namespace blk::block {

/// Largest offset and largest end of any request: 2^63 - 2^30, so that adding an alignment (at most
/// 2^30) never overflows (BDRV_MAX_LENGTH).
inline constexpr std::int64_t kMaxLength = 9223372035781033984;
/// Largest data transfer: INT_MAX rounded down to 512 (BDRV_REQUEST_MAX_BYTES).
inline constexpr std::int64_t kMaxTransfer = 2147483136;
inline constexpr std::int64_t kSectorSize = 512;
inline constexpr std::uint32_t kMaxAlignment = 1U << 30;
inline constexpr std::uint32_t kMaxIov = 1024;  // IOV_MAX

struct Limits {
  std::uint32_t request_alignment = 1;   // power of two; offsets and lengths
  std::uint32_t memory_alignment = 512;  // what data buffers must have (min_mem_alignment)
  std::uint32_t optimal_memory_alignment = 4096;
  std::int64_t max_transfer = 0;  // bytes, 0: no limit of its own
  std::uint32_t max_iov = kMaxIov;
  std::uint32_t optimal_transfer = 0;
  std::uint32_t write_zeroes_alignment = 0;  // preferred
  std::int64_t max_write_zeroes = 0;         // bytes, 0: no limit
  std::uint32_t discard_alignment = 0;       // preferred
  std::int64_t max_discard = 0;              // bytes, 0: no limit
};

/// Merges a data, filtered or backing child's limits into its parent's: alignments by maximum,
/// transfer and vector limits by the smallest that is set (TRK-18).
void merge_limits(Limits& parent, const Limits& child);

}  // namespace blk::block
