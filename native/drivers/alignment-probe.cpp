#include "drivers/alignment-probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "aio/memory.hpp"

namespace blk::drivers {

namespace {

constexpr std::size_t kMaxProbe = 4096;  // the largest alignment that is tried
constexpr std::array<std::size_t, 5> kProbeSizes{1, 512, 1024, 2048, 4096};

// The smallest that `is_accepted`; 0: none. A success at 1 means that the probe cannot tell (some
// file systems accept anything and bounce), so the largest is assumed.
template <typename IsAccepted>
std::uint32_t smallest(IsAccepted is_accepted) {
  const auto* found = std::find_if(kProbeSizes.begin(), kProbeSizes.end(), is_accepted);
  if (found == kProbeSizes.end()) {
    return 0;
  }
  return static_cast<std::uint32_t>(*found == 1 ? kMaxProbe : *found);
}

}  // namespace

int probe_alignments(const ProbeRead& read, std::uint32_t logical_block_size, Alignments& found) {
  aio::AlignedBuffer buffer = aio::AlignedBuffer::allocate(2 * kMaxProbe, kMaxProbe);
  if (!buffer) {
    return -ENOMEM;
  }
  // Only EINVAL means "misaligned": a real read error such as EIO shows that the alignment was
  // accepted (FILE-9).
  found.request = logical_block_size != 0 ? logical_block_size : smallest([&](std::size_t size) {
    return read(buffer.data(), size) != -EINVAL;
  });
  found.memory =
      smallest([&](std::size_t size) { return read(buffer.data() + size, kMaxProbe) != -EINVAL; });
  return found.request != 0 && found.memory != 0 ? 0 : -EINVAL;
}

}  // namespace blk::drivers
