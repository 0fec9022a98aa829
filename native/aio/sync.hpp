// Waiting of coroutines for each other, inside one context.
#pragma once

#include <coroutine>
#include <utility>

#include "aio/context.hpp"
#include "aio/list.hpp"
#include "aio/runnable.hpp"

namespace blk::aio {

/// A FIFO of suspended coroutines (QEMU's CoQueue). Home thread only. Woken coroutines continue
/// from the ready queue, so waking never recurses.
class WaitQueue {
 public:
  struct Waiter : Runnable {
    explicit Waiter(WaitQueue& wait_queue) : queue(wait_queue) {
      run = [](Runnable* self) { static_cast<Waiter*>(self)->caller.resume(); };
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      caller = handle;
      queue.waiters_.push_back(this);
    }
    void await_resume() const noexcept {}

    WaitQueue& queue;
    std::coroutine_handle<> caller;
  };

  /// `co_await queue.wait();`
  Waiter wait() { return Waiter(*this); }
  bool empty() const { return waiters_.empty(); }

  void wake_one(AioContext& context) {
    if (Runnable* waiter = waiters_.pop_front()) {
      context.schedule(waiter);
    }
  }
  void wake_all(AioContext& context) {
    while (Runnable* waiter = waiters_.pop_front()) {
      context.schedule(waiter);
    }
  }

 private:
  IntrusiveList<Runnable> waiters_;
};

}  // namespace blk::aio
