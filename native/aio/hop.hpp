// Going on in another context, on its home thread.
#pragma once

#include <coroutine>

#include "aio/context.hpp"
#include "aio/runnable.hpp"

namespace blk::aio {

/// `co_await Hop(here, there)`: in order with what this thread posts there. Nothing where both are
/// the same.
class Hop : public Runnable {
 public:
  Hop(AioContext& here, AioContext& there) : here_(here), there_(there) {}
  bool await_ready() const noexcept { return &here_ == &there_; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    run = [](Runnable* self) { static_cast<Hop*>(self)->caller_.resume(); };
    there_.post(this);
  }
  void await_resume() const noexcept {}

 private:
  AioContext& here_;
  AioContext& there_;
  std::coroutine_handle<> caller_;
};

}  // namespace blk::aio
