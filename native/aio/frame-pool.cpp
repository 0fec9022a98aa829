#include "aio/frame-pool.hpp"

#include <array>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define BLK_FRAME_POOL_PASSES_THROUGH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BLK_FRAME_POOL_PASSES_THROUGH 1
#endif
#endif

namespace blk::aio {

#ifdef BLK_FRAME_POOL_PASSES_THROUGH

void* FramePool::allocate(std::size_t bytes) { return ::operator new(bytes); }
void FramePool::release(void* block, std::size_t /*bytes*/) noexcept { ::operator delete(block); }

#else

namespace {

constexpr std::size_t kClasses = FramePool::kLargest / FramePool::kGranule;

struct FreeBlock {
  FreeBlock* next;
};

enum class PoolState : std::uint8_t { kUntouched, kLive, kGone };

/// Constant-initialised and trivially destructible: reaching it costs no guard, and it stays valid
/// for whatever runs in the thread after its destructors did.
struct ThreadLists {
  std::array<FreeBlock*, kClasses> heads{};
  PoolState state = PoolState::kUntouched;
};

thread_local constinit ThreadLists lists;

/// Gives the lists back when the thread ends.
struct ThreadExit {
  void watch() { lists.state = PoolState::kLive; }
  ~ThreadExit() {
    lists.state = PoolState::kGone;
    for (FreeBlock*& head : lists.heads) {
      while (head != nullptr) {
        FreeBlock* block = head;
        head = block->next;
        ::operator delete(block);
      }
    }
  }
};

std::size_t class_of(std::size_t bytes) {
  return bytes == 0 ? 0 : (bytes - 1) / FramePool::kGranule;
}

/// The first block this thread frees, or one freed after the thread's destructors have run.
[[gnu::noinline]] bool begin_keeping() {
  if (lists.state == PoolState::kGone) {
    return false;
  }
  static thread_local ThreadExit thread_exit;
  thread_exit.watch();
  return true;
}

}  // namespace

void* FramePool::allocate(std::size_t bytes) {
  if (bytes > kLargest) {
    return ::operator new(bytes);
  }
  const std::size_t size_class = class_of(bytes);
  FreeBlock*& head = lists.heads[size_class];
  if (head == nullptr) {
    return ::operator new((size_class + 1) * kGranule);
  }
  FreeBlock* block = head;
  head = block->next;
  return block;
}

void FramePool::release(void* block, std::size_t bytes) noexcept {
  if (bytes > kLargest || (lists.state != PoolState::kLive && !begin_keeping())) {
    ::operator delete(block);
    return;
  }
  FreeBlock*& head = lists.heads[class_of(bytes)];
  head = ::new (block) FreeBlock{head};
}

#endif

}  // namespace blk::aio
