// Requests that wait until somebody lets them go: for drivers that tests stop requests with.
//
// A held request counts as in flight, so sections, moves and close() wait for it. When its
// environment ends it is given up where it stands.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "aio/context.hpp"

namespace blk::drivers {

/// By tag, each tag in order of arrival. Home thread only.
class HeldRequests {
 public:
  /// Gives 0, or EDEADLK when the thread that could let it go waits for it.
  class Wait : public aio::ScriptWait {
   public:
    Wait(HeldRequests& held, std::string tag, aio::AioContext& context);
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller);
    int await_resume() const noexcept { return error_; }

   private:
    HeldRequests& held_;
    std::string tag_;
    aio::AioContext& context_;
    std::coroutine_handle<> caller_;
    int error_ = 0;
  };

  /// `co_await held.wait(tag, context);`
  Wait wait(const std::string& tag, aio::AioContext& context) { return {*this, tag, context}; }
  /// How many wait under the tag.
  std::int64_t count(const std::string& tag) const;
  /// Lets the first of them go on; false when there is none.
  bool release_one(const std::string& tag, aio::AioContext& context);
  /// Lets all of them go on, in order. How many.
  std::int64_t release_all(const std::string& tag, aio::AioContext& context);

 private:
  void remove(const std::string& tag, const Wait* wait);

  std::map<std::string, std::deque<Wait*>> held_;  // no tag without any
};

}  // namespace blk::drivers
