#include "aio/task.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <thread>

#include "support.hpp"

namespace {

using blk::aio::Detached;
using blk::aio::Task;
using blk::test::allocations_of_this_thread;

/// Where on the stack code ran: the distance between the extremes is how deep it went.
struct StackExtent {
  std::uintptr_t lowest = UINTPTR_MAX;
  std::uintptr_t highest = 0;
  [[gnu::noinline]] void note() {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    lowest = std::min(lowest, here);
    highest = std::max(highest, here);
  }
  std::size_t depth() const { return highest - lowest; }
};

constexpr std::size_t kShallow = 16 * 1024;

Task<int> ready(int value) { return value; }

// Not inlined: clang would put the frame on the caller's, and there would be nothing to count.
[[gnu::noinline]] Task<int> coroutine(int value, StackExtent* extent = nullptr) {
  if (extent != nullptr) {
    extent->note();
  }
  co_return value;
}

Task<int> nested(int depth, StackExtent* extent) {
  extent->note();
  if (depth == 0) {
    co_return 0;
  }
  const int below = co_await nested(depth - 1, extent);
  extent->note();
  co_return below + 1;
}

Task<std::int64_t> sequential(int count, StackExtent* extent) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    sum += co_await coroutine(1, extent);
    extent->note();
  }
  co_return sum;
}

template <typename T>
Detached run(Task<T> task, T* result) {
  *result = co_await std::move(task);
}

/// Suspends until the test resumes it by hand.
struct Pause {
  std::coroutine_handle<>* handle;
  explicit Pause(std::coroutine_handle<>* where) : handle(where) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) const { *handle = caller; }
  void await_resume() const noexcept {}
};

Task<int> paused_at_the_bottom(int depth, std::coroutine_handle<>* handle, StackExtent* extent) {
  if (depth == 0) {
    co_await Pause(handle);
    extent->note();
    co_return 0;
  }
  const int below = co_await paused_at_the_bottom(depth - 1, handle, extent);
  extent->note();
  co_return below + 1;
}

Task<std::unique_ptr<int>> move_only() { co_return std::make_unique<int>(5); }

struct Counted {
  int* alive;
  explicit Counted(int* count) : alive(count) { ++*alive; }
  Counted(const Counted& other) : alive(other.alive) { ++*alive; }
  ~Counted() { --*alive; }
};

Task<int> holds(Counted counted) { co_return *counted.alive; }

}  // namespace

TEST_CASE("aio/task: a value that is there needs no frame and no suspension") {
  std::size_t for_ready = 0;
  std::size_t for_coroutine = 0;
  int value = 0;
  // On a new thread, whose frame pool is empty: every frame is an allocation.
  std::thread([&] {
    const std::size_t before = allocations_of_this_thread();
    Task<int> first = ready(42);
    value = first.is_ready() ? first.take() : 0;
    for_ready = allocations_of_this_thread() - before;
    Task<int> second = coroutine(42);
    for_coroutine = allocations_of_this_thread() - before;
    CHECK_FALSE(second.is_ready());
  }).join();
  CHECK(value == 42);
  CHECK(for_ready == 0);
#if !BLK_TEST_SANITIZER_ALLOCATOR
  CHECK(for_coroutine == 1);
#endif
}

TEST_CASE("aio/task: awaiting gives the value, from a coroutine or without one") {
  int result = 0;
  run(ready(7), &result);
  CHECK(result == 7);
  run(coroutine(8), &result);
  CHECK(result == 8);
  std::unique_ptr<int> pointer;
  run(move_only(), &pointer);
  REQUIRE(pointer != nullptr);
  CHECK(*pointer == 5);
}

TEST_CASE("aio/task: is lazy, and destroys its frame whether it ran or not") {
  int alive = 0;
  {
    Counted counted(&alive);
    Task<int> never_awaited = holds(counted);
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
  int result = 0;
  {
    Counted counted(&alive);
    Task<int> task = holds(counted);
    run(std::move(task), &result);
    CHECK(alive == 1);
  }
  CHECK(result == 2);
  CHECK(alive == 0);
}

TEST_CASE("aio/task: 100,000 awaits in a row do not grow the stack") {
  StackExtent extent;
  std::int64_t sum = 0;
  run(sequential(100'000, &extent), &sum);
  CHECK(sum == 100'000);
  CHECK(extent.depth() < kShallow);
}

TEST_CASE("aio/task: 100,000 nested awaits do not grow the stack, neither down nor back up") {
  StackExtent extent;
  int depth = 0;
  run(nested(100'000, &extent), &depth);
  CHECK(depth == 100'000);
  CHECK(extent.depth() < kShallow);
}

TEST_CASE("aio/task: resuming the innermost of 10,000 frames transfers up to the outermost") {
  StackExtent extent;
  std::coroutine_handle<> handle;
  int depth = -1;
  run(paused_at_the_bottom(10'000, &handle, &extent), &depth);
  CHECK(depth == -1);
  handle.resume();
  CHECK(depth == 10'000);
  CHECK(extent.depth() < kShallow);
}
