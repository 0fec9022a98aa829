// Task<T>: a lazily started coroutine, or a value that needed no coroutine at all.
//
//   caller --co_await--> Task --symmetric transfer--> callee ... final_suspend --transfer--> caller
//
// A function that can answer at once returns `Task<int>(value)`: no frame is made and awaiting it
// does not suspend. A coroutine's frame comes from FramePool. Nothing here throws; a coroutine body
// must not let an exception escape (unhandled_exception terminates, and no path a user, guest,
// image or peer can reach throws).
//
// GCC 12 miscompiles a co_await expression that contains an aggregate or capturing-lambda
// temporary: name such an object before the co_await.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include "aio/frame-pool.hpp"

namespace blk::aio {

/// What a coroutine's promise knows of whoever awaits it: the chain from an inner request to the
/// outermost frame. Null at its end, and before the coroutine has been awaited.
struct Frame {
  const Frame* caller = nullptr;

  /// It is `outer`, or was called from there.
  bool is_within(const Frame* outer) const {
    const Frame* frame = this;
    while (frame != nullptr && frame != outer) {
      frame = frame->caller;
    }
    return frame != nullptr;
  }
};

/// `const Frame* frame = co_await ThisFrame();`: that of the coroutine which asks. Never waits.
class ThisFrame {
 public:
  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    frame_ = &self.promise();
    return false;
  }
  const Frame* await_resume() const noexcept { return frame_; }

 private:
  const Frame* frame_ = nullptr;
};

template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle self) const noexcept {
      return self.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  struct promise_type : Frame {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    T value{};

    static void* operator new(std::size_t bytes) { return FramePool::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
      FramePool::release(block, bytes);
    }

    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_value(T result) { value = std::move(result); }
    void unhandled_exception() noexcept { std::terminate(); }
  };

  /// A finished task: no coroutine behind it.
  Task(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), value_(std::move(other.value_)) {}
  Task& operator=(Task&&) = delete;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  /// True when the value is already there, without any coroutine having been started.
  bool is_ready() const { return !handle_; }
  /// The value of a ready task.
  T take() { return std::move(value_); }

  bool await_ready() const noexcept { return !handle_; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    handle_.promise().continuation = caller;
    if constexpr (std::is_base_of_v<Frame, Promise>) {
      handle_.promise().caller = &caller.promise();
    }
    return handle_;
  }
  T await_resume() { return handle_ ? std::move(handle_.promise().value) : std::move(value_); }

 private:
  explicit Task(Handle handle) : handle_(handle) {}

  Handle handle_ = nullptr;
  T value_{};
};

/// A coroutine that runs at once and owns itself: the outermost frame of a request. Its result goes
/// wherever its body puts it.
struct Detached {
  struct promise_type : Frame {
    static void* operator new(std::size_t bytes) { return FramePool::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
      FramePool::release(block, bytes);
    }
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

}  // namespace blk::aio
