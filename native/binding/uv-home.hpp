// Node's loop as the home of an AioContext.
#pragma once

#include <uv.h>

#include <memory>
#include <utility>

#include "aio/context.hpp"
#include "aio/file.hpp"

namespace blk::binding {

/// Polls the engine's descriptor and a timerfd (libuv's own timers have milliseconds, contexts have
/// nanoseconds). Never keeps the loop alive: the environment does that with one handle of its own.
class UvHome {
 public:
  using Wake = void (*)(void*);

  UvHome(aio::AioContext& context, Wake wake, void* owner)
      : context_(context), wake_(wake), owner_(owner) {}
  UvHome(const UvHome&) = delete;
  UvHome& operator=(const UvHome&) = delete;
  /// Closes what stop() has not: libuv frees the handles in a later turn of the loop.
  ~UvHome();

  /// 0 or a negative errno.
  int start(uv_loop_t* loop);
  /// True once after the engine's descriptor was readable: the context must take a turn even if it
  /// seems to have nothing to do, because only its engine can make the descriptor quiet again (a
  /// worker may write to it after its operation was already reaped).
  bool take_woken() { return std::exchange(woken_, false); }
  /// Before Node's loop may sleep: makes the timerfd match the context's next timer. One system
  /// call, and none while the deadline stays the same.
  void arm_timer();
  /// Closes the handles; `closed` is called for each of them from the loop.
  void stop(uv_close_cb closed, void* data, int& handles);

 private:
  static void on_poll(uv_poll_t* handle, int status, int events);

  aio::AioContext& context_;
  Wake wake_;
  void* owner_;
  aio::UniqueFd timer_;
  aio::Nanoseconds armed_ = aio::kNever;
  bool woken_ = false;
  // libuv needs the handles until their close callbacks ran, which may be after this object.
  uv_poll_t* engine_poll_ = nullptr;
  uv_poll_t* timer_poll_ = nullptr;
};

}  // namespace blk::binding
