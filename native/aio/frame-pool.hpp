// Memory for coroutine frames and request records: size classes of 64 bytes, kept per thread.
#pragma once

#include <cstddef>

namespace blk::aio {

/// Allocates from the calling thread's free lists (a plain operator new behind them). A block may
/// be freed on another thread than the one that allocated it: it then joins that thread's lists,
/// which happens only when a graph moves between contexts. Blocks above kLargest go to operator
/// new. A thread keeps what it freed until it ends, so a second burst of requests allocates
/// nothing. Under AddressSanitizer every call goes to operator new, so that a stale frame is seen.
class FramePool {
 public:
  static constexpr std::size_t kGranule = 64;
  static constexpr std::size_t kLargest = 2048;

  static void* allocate(std::size_t bytes);
  static void release(void* block, std::size_t bytes) noexcept;
};

}  // namespace blk::aio
