// Throttle groups: members that share one set of limits, and take turns where it runs out.
//
// Per direction there is a token, which goes round the members that wait, and at most one armed
// timer, at the member whose request is next. What QEMU calls ThrottleGroup.
//
// Threads: members may live in different homes. While all of them share one (set_shared() was never
// called) nothing is locked. Joining and leaving: on any thread, while no member of the group can
// run at the same time, or after set_shared() and a message to every home.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <string>

#include "throttle/member.hpp"
#include "throttle/meter.hpp"

namespace blk::throttle {

class Group {
 public:
  Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void join(Member& member);
  /// Nothing of it waits (TG-13).
  void leave(Member& member);
  bool is_empty() const { return first_ == nullptr; }

  /// From here on it is locked; whoever was inside before must have left it first. Not any more
  /// when it is empty.
  void set_shared(bool shared = true) { shared_.store(shared); }

  /// Any home thread of a member, or any thread while there is none. `when`: by the members' clock.
  void configure(const Limits& limits, aio::Nanoseconds when, const aio::AioContext* here);
  /// A copy with the levels as of `now`.
  Meter snapshot(aio::Nanoseconds now) const;
  /// Not 0: a virtual clock begins there.
  static constexpr aio::Nanoseconds kNotThrottled = -1;
  /// When the armed timer of a direction is due, or kNotThrottled.
  aio::Nanoseconds throttled_until(Direction direction) const;
  /// Of all members, those included that left. Any thread.
  const WaitCounters& waited(Direction direction) const {
    return waited_[static_cast<std::size_t>(direction)];
  }

 private:
  friend class Member;
  friend struct Lane;

  /// Locks if anybody else could be inside.
  class Guard;

  struct Turn {
    Member* token = nullptr;
    Member* armed = nullptr;    // where the one timer is
    std::uint32_t waiting = 0;  // requests of all members

    /// Whoever asks now comes after others.
    bool is_taken() const { return waiting != 0 || armed != nullptr; }
  };

  bool is_shared() const { return shared_.load(std::memory_order_relaxed); }
  /// Whether it goes on whoever waits, or because nobody does and there is room: the answer for
  /// nearly all requests. Then it is charged. Nobody else is inside.
  bool admit_at_once(Member& member, Direction direction, std::int64_t bytes);
  /// The same for requests of a moment in which others went on that way, far from the limits.
  bool admit_calmly(Member& member, Direction direction, std::int64_t bytes) {
    return meter_.charge_calmly(direction, bytes, member.context().time_in_batch());
  }
  /// Without a waiter nobody is queued when the answer is no.
  bool admit(Member& member, Waiter* waiter, Direction direction, std::int64_t bytes);
  bool admit_in_turn(Member& member, Waiter* waiter, Direction direction, std::int64_t bytes);
  void cancel(Member& member, const Waiter& waiter);
  void bypass(Member& member);
  void forget_timer(Member& member);
  void timer_fired(Lane& lane);
  void message_arrived(Lane& lane);

  /// The time of a batch may lie a little before what another one has been told.
  aio::Nanoseconds advance_to(aio::Nanoseconds now) { return now_ = std::max(now_, now); }

  Turn& turn(Direction direction) { return turns_[static_cast<std::size_t>(direction)]; }
  Member& next_token(Member& member, Direction direction);
  void enqueue(Lane& lane, Waiter& waiter, aio::Nanoseconds now);
  bool must_wait(Member& member, Direction direction, aio::Nanoseconds now,
                 const aio::AioContext* here);
  void schedule_next(Member& member, Direction direction, aio::Nanoseconds now,
                     WaiterList& released);
  /// After the queue has changed.
  void count_waiting(Lane& lane);
  void release_first(Lane& lane, aio::Nanoseconds now, WaiterList& released);
  void arm(Member& member, Direction direction, aio::Nanoseconds deadline,
           const aio::AioContext* here);
  void disarm(Member& member, Direction direction);

  mutable std::mutex mutex_;
  std::atomic<bool> shared_{false};
  Meter meter_;
  std::array<Turn, 2> turns_;
  Member* first_ = nullptr;
  /// The latest time that any member came with. Never goes back, so that no time leaks twice.
  aio::Nanoseconds now_ = 0;
  std::array<WaitCounters, 2> waited_;
};

// Where the members share a home there is nothing to lock, and no call.
inline bool Member::admit(Waiter& waiter, Direction direction, std::int64_t bytes) {
  return group_ == nullptr ||
         (!group_->is_shared() && group_->admit_calmly(*this, direction, bytes)) ||
         admit_in_group(waiter, direction, bytes);
}

}  // namespace blk::throttle
