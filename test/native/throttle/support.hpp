// What the tests of throttling share: virtual time, members, and requests that note when they went
// on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aio/context.hpp"
#include "aio/sim-engine.hpp"
#include "throttle/group.hpp"

namespace blk::test {

using throttle::BucketIndex;
using throttle::BucketLimits;
using throttle::Direction;
using throttle::Group;
using throttle::Limits;
using throttle::Member;

inline Limits limits_of(BucketIndex index, BucketLimits bucket, double operation_size = 0) {
  Limits limits;
  limits.buckets[index] = bucket;
  limits.operation_size = operation_size;
  return limits;
}

/// When which request of which member went on.
struct Dispatch {
  std::string member;
  int number;
  aio::Nanoseconds when;
  friend bool operator==(const Dispatch&, const Dispatch&) = default;
};

/// One context in virtual time.
class VirtualHome {
 public:
  VirtualHome() : context(std::make_unique<aio::SimEngine>(aio::SimOptions{}, clock), clock) {}

  void advance_to(aio::Nanoseconds end) {
    while (context.next_deadline() <= end) {
      clock.advance_to(context.next_deadline());
      context.turn();
    }
    clock.advance_to(end);
    context.turn();
  }

  aio::VirtualClock clock;
  aio::AioContext context;
};

/// A member with requests that only note their dispatch in a log.
class Guest {
 public:
  Guest(VirtualHome& home, std::string name, std::vector<Dispatch>& log)
      : member(home.context), home_(home), name_(std::move(name)), log_(log) {}

  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() {
    member.bypass_begin();
    if (Group* group = member.group()) {
      group->leave(member);
    }
  }

  /// True when it need not wait.
  bool submit(Direction direction, std::int64_t bytes) {
    requests_.push_back(std::make_unique<Request>(*this, ++count_));
    Request& request = *requests_.back();
    const bool admitted = member.admit(request, direction, bytes);
    if (admitted) {
      note(request.number);
    }
    return admitted;
  }
  /// False: it does not wait.
  bool cancel(int number) {
    throttle::Waiter* waiter = member.find_waiting([number](throttle::Waiter& candidate) {
      return static_cast<Request&>(candidate).number == number;
    });
    if (waiter != nullptr) {
      member.cancel(*waiter);
    }
    return waiter != nullptr;
  }
  std::uint32_t waiting(Direction direction) const {
    return std::as_const(member).lane(direction).waiting;
  }

  Member member;

 private:
  struct Request : throttle::Waiter {
    Request(Guest& whose, int which) : guest(whose), number(which) {
      run = [](aio::Runnable* self) {
        auto* request = static_cast<Request*>(self);
        request->guest.note(request->number);
      };
    }
    Guest& guest;
    int number;
  };

  void note(int number) { log_.push_back({name_, number, home_.clock.now()}); }

  VirtualHome& home_;
  std::string name_;
  std::vector<Dispatch>& log_;
  std::vector<std::unique_ptr<Request>> requests_;
  int count_ = 0;
};

inline std::vector<aio::Nanoseconds> times(const std::vector<Dispatch>& log) {
  std::vector<aio::Nanoseconds> result;
  for (const Dispatch& dispatch : log) {
    result.push_back(dispatch.when);
  }
  return result;
}

inline std::string order(const std::vector<Dispatch>& log) {
  std::string result;
  for (const Dispatch& dispatch : log) {
    result += (result.empty() ? "" : " ") + dispatch.member + std::to_string(dispatch.number);
  }
  return result;
}

}  // namespace blk::test
