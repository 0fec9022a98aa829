#include "throttle/group.hpp"

#include <algorithm>

namespace blk::throttle {

using aio::AioContext;
using aio::Nanoseconds;

class Group::Guard {
 public:
  explicit Guard(const Group& group) : mutex_(group.shared_.load() ? &group.mutex_ : nullptr) {
    if (mutex_ != nullptr) {
      mutex_->lock();
    }
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() {
    if (mutex_ != nullptr) {
      mutex_->unlock();
    }
  }

 private:
  std::mutex* mutex_;
};

namespace {

/// Only when the group is not locked any more: they may come back with the next request.
void run_released(WaiterList& released) {
  while (aio::Runnable* waiter = released.pop_front()) {
    waiter->run(waiter);
  }
}

}  // namespace

// --- members

void Group::join(Member& member) {
  const Guard guard(*this);
  member.group_ = this;
  Member& successor = first_ != nullptr ? *first_ : member;
  Member& last = first_ != nullptr ? *first_->previous_ : member;
  member.next_ = &successor;
  member.previous_ = &last;
  last.next_ = &member;
  successor.previous_ = &member;
  // New members come first (TG-3).
  first_ = &member;
  for (Turn& turn : turns_) {
    turn.token = turn.token != nullptr ? turn.token : &member;
  }
}

void Group::leave(Member& member) {
  const Guard guard(*this);
  Member* successor = member.next_ != &member ? member.next_ : nullptr;
  for (const Direction direction : kDirections) {
    Turn& its = turn(direction);
    if (its.armed == &member) {
      disarm(member, direction);
    }
    its.token = its.token == &member ? successor : its.token;
  }
  member.previous_->next_ = member.next_;
  member.next_->previous_ = member.previous_;
  first_ = first_ == &member ? successor : first_;
  now_ = first_ != nullptr ? now_ : 0;  // the next members may have another clock
  member.group_ = nullptr;
  member.next_ = member.previous_ = nullptr;
}

// --- limits

// A new limit bears on who waits already: the armed timers are set anew, and one that is due fires
// in its home's next turn.
void Group::configure(const Limits& limits, Nanoseconds when, const AioContext* here) {
  const Guard guard(*this);
  const Nanoseconds now = first_ != nullptr ? advance_to(when) : when;
  meter_.configure(limits, now);
  for (const Direction direction : kDirections) {
    if (Member* member = turn(direction).armed) {
      arm(*member, direction, now + meter_.wait(direction), here);
    }
  }
}

Meter Group::snapshot(Nanoseconds now) const {
  const Guard guard(*this);
  Meter copy = meter_;
  copy.leak(now);
  return copy;
}

Nanoseconds Group::throttled_until(Direction direction) const {
  const Guard guard(*this);
  const Turn& its = turns_[static_cast<std::size_t>(direction)];
  return its.armed != nullptr ? its.armed->lane(direction).deadline : kNotThrottled;
}

// --- requests

bool Group::admit_at_once(Member& member, Direction direction, std::int64_t bytes) {
  // Limits that were switched off have let nobody go yet: who waited for them comes first.
  if (!meter_.enabled() && member.lane(direction).queue.empty()) {
    return true;
  }
  const Nanoseconds now = advance_to(member.context().time_in_batch());
  const bool others_first = turn(direction).is_taken();
  // Before the leak: where it is cut into pieces matters to the last nanosecond.
  if (others_first && !member.is_bypassed()) {
    return false;
  }
  meter_.leak(now);
  if (!meter_.has_room(direction) && !member.is_bypassed()) {
    return false;
  }
  meter_.charge(direction, bytes);
  // The short way asks for no turn, in either direction.
  if (!turns_[0].is_taken() && !turns_[1].is_taken()) {
    meter_.calm_down(now);
  }
  return true;
}

bool Group::admit(Member& member, Waiter* waiter, Direction direction, std::int64_t bytes) {
  {
    const Guard guard(*this);
    if (admit_at_once(member, direction, bytes)) {
      return true;
    }
  }
  return admit_in_turn(member, waiter, direction, bytes);
}

// What held between the two may not hold any more where others have come in: all is asked again.
bool Group::admit_in_turn(Member& member, Waiter* waiter, Direction direction, std::int64_t bytes) {
  WaiterList released;
  bool admitted = true;
  {
    const Guard guard(*this);
    Lane& lane = member.lane(direction);
    const Nanoseconds now = advance_to(member.context().time_in_batch());
    Member& token = next_token(member, direction);
    if (must_wait(token, direction, now, &member.context()) || !lane.queue.empty()) {
      admitted = false;
      if (waiter != nullptr) {
        waiter->throttled_bytes = bytes;
        waiter->direction = direction;
        enqueue(lane, *waiter, now);
      }
    } else {
      meter_.charge(direction, bytes);
      schedule_next(member, direction, now, released);
    }
  }
  run_released(released);
  return admitted;
}

void Group::enqueue(Lane& lane, Waiter& waiter, Nanoseconds now) {
  waiter.throttled_since = now;
  lane.queue.push_back(&waiter);
  count_waiting(lane);
  lane.waited.began();
  waited_[static_cast<std::size_t>(lane.direction)].began();
}

// A timer that was armed for it fires, and finds out who is next.
void Group::cancel(Member& member, const Waiter& waiter) {
  const Guard guard(*this);
  Lane& lane = member.lane(waiter.direction);
  lane.queue.remove_if([&waiter](const aio::Runnable& item) { return &item == &waiter; });
  count_waiting(lane);
}

void Group::bypass(Member& member) {
  WaiterList released;
  {
    const Guard guard(*this);
    const Nanoseconds now = advance_to(member.context().clock().now());
    meter_.leak(now);
    for (const Direction direction : kDirections) {
      Lane& lane = member.lane(direction);
      const bool was_armed = turn(direction).armed == &member;
      if (was_armed) {
        disarm(member, direction);
      }
      while (!lane.queue.empty()) {
        release_first(lane, now, released);
      }
      if (was_armed) {
        schedule_next(member, direction, now, released);
      }
    }
  }
  run_released(released);
}

void Group::forget_timer(Member& member) {
  WaiterList released;
  {
    const Guard guard(*this);
    const Nanoseconds now = advance_to(member.context().clock().now());
    for (const Direction direction : kDirections) {
      if (turn(direction).armed == &member) {
        disarm(member, direction);
        schedule_next(member, direction, now, released);
      }
    }
    if (member.next_ == &member) {
      now_ = 0;  // it may move to another clock
    }
  }
  run_released(released);
}

// --- whose turn it is

// The next in the ring after the token's holder who waits; nobody waits: the one who asks (TG-7).
Member& Group::next_token(Member& member, Direction direction) {
  Member* const holder = turn(direction).token;
  Member* candidate = holder->next_;
  while (candidate != holder && candidate->lane(direction).queue.empty()) {
    candidate = candidate->next_;
  }
  return candidate->lane(direction).queue.empty() ? member : *candidate;
}

// Arms the group's timer at `member` if the limits say so. It waits also where the timer is armed
// already, at whoever (TG-5, TG-6).
bool Group::must_wait(Member& member, Direction direction, Nanoseconds now,
                      const AioContext* here) {
  Turn& its = turn(direction);
  if (its.armed != nullptr) {
    return true;
  }
  meter_.leak(now);
  const Nanoseconds wait = meter_.wait(direction);
  if (wait == 0 || here->is_closing()) {
    return false;
  }
  its.token = &member;
  arm(member, direction, now + wait, here);
  return true;
}

// Somebody was charged: who is next, and must that one wait? On `member`'s home; those of its own
// requests that may go on at once are added to `released`, others are woken by their timer.
void Group::schedule_next(Member& member, Direction direction, Nanoseconds now,
                          WaiterList& released) {
  for (;;) {
    Member& token = next_token(member, direction);
    if (token.lane(direction).queue.empty() ||
        must_wait(token, direction, now, &member.context())) {
      return;
    }
    Lane& own = member.lane(direction);
    if (own.queue.empty()) {
      turn(direction).token = &token;
      arm(token, direction, now, &member.context());
      return;
    }
    turn(direction).token = &member;
    release_first(own, now, released);
  }
}

void Group::count_waiting(Lane& lane) {
  const auto before = lane.waiting.load(std::memory_order_relaxed);
  const auto now = static_cast<std::uint32_t>(lane.queue.size());
  lane.waiting.store(now, std::memory_order_relaxed);
  turn(lane.direction).waiting += now - before;
}

void Group::release_first(Lane& lane, Nanoseconds now, WaiterList& released) {
  auto* waiter = static_cast<Waiter*>(lane.queue.pop_front());
  count_waiting(lane);
  const Nanoseconds waited = std::max<Nanoseconds>(0, now - waiter->throttled_since);
  lane.waited.ended(waited);
  waited_[static_cast<std::size_t>(lane.direction)].ended(waited);
  meter_.charge(lane.direction, waiter->throttled_bytes);
  released.push_back(waiter);
}

// --- timers

void Group::arm(Member& member, Direction direction, Nanoseconds deadline, const AioContext* here) {
  Lane& lane = member.lane(direction);
  turn(direction).armed = &member;
  lane.deadline = deadline;
  if (&member.context() == here) {
    member.context().timers().arm(lane.timer, deadline);
  } else if (!lane.message_sent) {
    lane.message_sent = true;
    member.context().post(&lane.message);
  }
}

/// On the member's home.
void Group::disarm(Member& member, Direction direction) {
  turn(direction).armed = nullptr;
  member.context().timers().disarm(member.lane(direction).timer);
}

void Group::message_arrived(Lane& lane) {
  const Guard guard(*this);
  lane.message_sent = false;
  if (turn(lane.direction).armed == &lane.member) {
    lane.member.context().timers().arm(lane.timer, lane.deadline);
  }
}

// The one that waited longest goes on, without another look at the limits: the wait was computed
// for it. It may have been cancelled, and then others must not wait for it.
void Group::timer_fired(Lane& lane) {
  WaiterList released;
  {
    const Guard guard(*this);
    Turn& its = turn(lane.direction);
    const Nanoseconds now = advance_to(lane.member.context().clock().now());
    if (its.armed != &lane.member) {
      return;
    }
    // Another thread set it anew, and its message is still to come. A context that closes fires
    // whatever is armed.
    if (now < lane.deadline && !lane.member.context().is_closing()) {
      lane.member.context().timers().arm(lane.timer, lane.deadline);
      return;
    }
    its.armed = nullptr;
    meter_.leak(now);
    if (!lane.queue.empty()) {
      release_first(lane, now, released);
    }
    schedule_next(lane.member, lane.direction, now, released);
  }
  run_released(released);
}

Lane::Timer::Timer(Lane& owner)
    : aio::Timer([](Runnable* self) {
        Lane& fired = static_cast<Timer*>(self)->lane;
        if (Group* group = fired.member.group()) {
          group->timer_fired(fired);
        }
      }),
      lane(owner) {}

Lane::Message::Message(Lane& owner)
    : Runnable([](Runnable* self) {
        Lane& arrived = static_cast<Message*>(self)->lane;
        // Without a group: it left after another member had written to it (TG-25).
        if (Group* group = arrived.member.group()) {
          group->message_arrived(arrived);
        } else {
          arrived.message_sent = false;
        }
      }),
      lane(owner) {}

// --- members, seen from outside

bool Member::admit_in_group(Waiter& waiter, Direction direction, std::int64_t bytes) {
  return group_->admit(*this, &waiter, direction, bytes);
}

bool Member::admit_now(Direction direction, std::int64_t bytes) {
  return group_ == nullptr || group_->admit(*this, nullptr, direction, bytes);
}

void Member::cancel(const Waiter& waiter) {
  if (group_ != nullptr) {
    group_->cancel(*this, waiter);
  }
}

void Member::bypass_begin() {
  if (++bypass_ == 1 && group_ != nullptr) {
    group_->bypass(*this);
  }
}

void Member::move_to(aio::AioContext& context) {
  if (group_ != nullptr) {
    group_->forget_timer(*this);
  }
  context_ = &context;
}

}  // namespace blk::throttle
