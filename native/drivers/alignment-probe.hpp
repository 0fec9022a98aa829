// What O_DIRECT asks of offsets, lengths and memory. The kernel does not say, so it is tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace blk::drivers {

struct Alignments {
  std::uint32_t request = 1;  // of offset and length
  std::uint32_t memory = 1;
};

/// One O_DIRECT read of so many bytes at offset 0: how many came, or a negative errno.
using ProbeRead = std::function<std::int64_t(std::byte* memory, std::size_t bytes)>;

/// Tries 1, 512, 1024, 2048 and 4096: first for offset and length, unless the device's
/// `logical_block_size` says it (0: it does not), then for the memory. 0, -ENOMEM, or -EINVAL when
/// nothing works (FILE-7, FILE-8, FILE-9). Blocks as `read` does.
int probe_alignments(const ProbeRead& read, std::uint32_t logical_block_size, Alignments& found);

}  // namespace blk::drivers
