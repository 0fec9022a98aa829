#include "aio/frame-pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "support.hpp"

namespace {

thread_local std::size_t allocations = 0;

using blk::aio::FramePool;

}  // namespace

std::size_t blk::test::allocations_of_this_thread() { return allocations; }

#if !BLK_TEST_SANITIZER_ALLOCATOR

// For the whole test binary, so that tests can tell what allocates.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) {
    return block;
  }
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

#endif

TEST_CASE("aio/frame-pool: a second burst of frames allocates nothing") {
  constexpr std::size_t kFrames = 100'000;
  const auto size_of = [](std::size_t i) { return 40 + i * 37 % 2009; };
  std::vector<void*> blocks(kFrames);
  for (int round = 0; round < 2; ++round) {
    [[maybe_unused]] const std::size_t before = allocations;
    for (std::size_t i = 0; i < kFrames; ++i) {
      blocks[i] = FramePool::allocate(size_of(i));
      std::memset(blocks[i], round, size_of(i));
    }
#if !BLK_TEST_SANITIZER_ALLOCATOR
    CHECK((allocations - before == 0) == (round == 1));
#endif
    std::vector<void*> sorted = blocks;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    for (std::size_t i = 0; i < kFrames; ++i) {
      FramePool::release(blocks[i], size_of(i));
    }
  }
}

TEST_CASE("aio/frame-pool: sizes at the edges of classes, none at all, and beyond the largest") {
  for (std::size_t bytes : {0u, 1u, 63u, 64u, 65u, 128u, 2047u, 2048u, 2049u, 100'000u}) {
    for (int round = 0; round < 3; ++round) {
      void* block = FramePool::allocate(bytes);
      REQUIRE(block != nullptr);
      std::memset(block, 0xff, bytes);
      FramePool::release(block, bytes);
    }
  }
}

#if !BLK_TEST_SANITIZER_ALLOCATOR
TEST_CASE("aio/frame-pool: a block serves its size class only") {
  void* small = FramePool::allocate(64);
  FramePool::release(small, 64);
  void* large = FramePool::allocate(65);
  CHECK(large != small);
  void* again = FramePool::allocate(1);
  CHECK(again == small);
  FramePool::release(large, 65);
  FramePool::release(again, 1);
}
#endif

TEST_CASE("aio/frame-pool: a block may be freed on another thread, also while that thread ends") {
  struct LateUser {
    void* block = nullptr;
    ~LateUser() {
      FramePool::release(block, 300);
      FramePool::release(FramePool::allocate(300), 300);
      ++destroyed;
    }
    int& destroyed;
  };
  int destroyed = 0;
  void* first = FramePool::allocate(300);
  void* second = FramePool::allocate(300);
  std::thread([&] {
    // Built before the pool is first used here, so destroyed after the pool's lists are gone.
    static thread_local LateUser late{first, destroyed};
    FramePool::release(second, 300);
  }).join();
  CHECK(destroyed == 1);
}

#if !BLK_TEST_SANITIZER_ALLOCATOR
TEST_CASE("aio/frame-pool: getting a block and giving it back takes tens of nanoseconds") {
  constexpr int kTimes = 1'000'000;
  FramePool::release(FramePool::allocate(256), 256);
  const auto before = blk::test::now();
  for (int i = 0; i < kTimes; ++i) {
    FramePool::release(FramePool::allocate(256), 256);
  }
  const auto each = (blk::test::now() - before) / kTimes;
  MESSAGE(each, " ns");
  // Far above what it takes, so that a busy machine or a sanitizer does not fail it.
  CHECK(each < 1000);
}
#endif
