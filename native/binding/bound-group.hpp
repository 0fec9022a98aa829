// A throttle group, and where its members live.
//
// JavaScript thread only.
#pragma once

#include <memory>

#include "aio/clock.hpp"
#include "binding/homed-context.hpp"
#include "throttle/group.hpp"

namespace blk::binding {

class BoundGroup {
 public:
  /// 0, or EXDEV: the other members have another clock.
  int join(throttle::Member& member, const std::shared_ptr<HomedContext>& home);
  /// Nothing of it waits. When this returns no timer and no message of the group finds the member.
  void leave(throttle::Member& member, HomedContext& home);
  /// A member is about to move there; EXDEV as above.
  int prepare_move(const std::shared_ptr<HomedContext>& to);

  int members() const { return members_; }
  void configure(const throttle::Limits& limits);

  struct State {
    throttle::Meter meter;
    aio::Nanoseconds now = 0;
    std::array<aio::Nanoseconds, 2> throttled_until{};
  };
  State state() const;
  const throttle::WaitCounters& waited(throttle::Direction direction) const {
    return group_.waited(direction);
  }

 private:
  /// Where `function` may look into the group: in the only home of its members, or anywhere.
  template <typename Function>
  void run_inside(Function function) const;
  const aio::Clock& clock() const;
  bool shares_clock_with(const HomedContext& home) const;
  void make_shared_unless_home_is(const std::shared_ptr<HomedContext>& home);

  throttle::Group group_;
  aio::MonotonicClock monotonic_;
  std::shared_ptr<HomedContext> home_;  // of the first member; the only one unless shared
  bool shared_ = false;
  int members_ = 0;
};

}  // namespace blk::binding
