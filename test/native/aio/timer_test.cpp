#include "aio/timer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "aio/clock.hpp"

namespace {

using blk::aio::kNever;
using blk::aio::Nanoseconds;
using blk::aio::Runnable;
using blk::aio::Timer;
using blk::aio::TimerQueue;

/// Writes its number into a log and then does whatever the test wants.
struct TestTimer : Timer {
  TestTimer(std::vector<int>& where, int which)
      : Timer([](Runnable* self) { static_cast<TestTimer*>(self)->fired(); }),
        log(where),
        number(which) {}
  void fired() {
    log.push_back(number);
    if (then) {
      then();
    }
  }
  std::vector<int>& log;
  int number;
  std::function<void()> then;
};

/// The specification: a plain list that is searched each time.
class Model {
 public:
  void arm(int number, Nanoseconds deadline) {
    disarm(number);
    entries_.push_back({deadline, sequence_++, number});
  }
  void disarm(int number) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.number == number; });
  }
  Nanoseconds next_deadline() const {
    Nanoseconds next = kNever;
    for (const Entry& entry : entries_) {
      next = std::min(next, entry.deadline);
    }
    return next;
  }
  std::vector<int> fire(Nanoseconds now) {
    std::sort(entries_.begin(), entries_.end());
    std::vector<int> fired;
    while (!entries_.empty() && entries_.front().deadline <= now) {
      fired.push_back(entries_.front().number);
      entries_.erase(entries_.begin());
    }
    return fired;
  }

 private:
  struct Entry {
    Nanoseconds deadline;
    int sequence;
    int number;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries_;
  int sequence_ = 0;
};

}  // namespace

TEST_CASE("aio/timer: equal deadlines fire in arming order") {
  TimerQueue queue;
  std::vector<int> log;
  std::vector<std::unique_ptr<TestTimer>> timers;
  for (int i = 0; i < 100; ++i) {
    timers.push_back(std::make_unique<TestTimer>(log, i));
    queue.arm(*timers.back(), 50);
  }
  // Arming again moves it behind the others, even to the same deadline.
  queue.arm(*timers[3], 50);
  CHECK(queue.fire(49) == 0);
  CHECK(queue.fire(50) == 100);
  std::vector<int> expected;
  for (int i = 0; i < 100; ++i) {
    if (i != 3) {
      expected.push_back(i);
    }
  }
  expected.push_back(3);
  CHECK(log == expected);
  CHECK(queue.empty());
}

TEST_CASE("aio/timer: fires once per arming") {
  TimerQueue queue;
  std::vector<int> log;
  TestTimer timer(log, 1);
  CHECK_FALSE(timer.armed());
  queue.arm(timer, 10);
  CHECK(timer.armed());
  CHECK(queue.next_deadline() == 10);
  CHECK(queue.fire(1000) == 1);
  CHECK_FALSE(timer.armed());
  CHECK(queue.next_deadline() == kNever);
  CHECK(queue.fire(2000) == 0);
}

TEST_CASE("aio/timer: a timer armed by one that fires runs in the same call if it is due") {
  TimerQueue queue;
  std::vector<int> log;
  TestTimer first(log, 1);
  TestTimer due(log, 2);
  TestTimer later(log, 3);
  first.then = [&] {
    queue.arm(due, 5);
    queue.arm(later, 101);
  };
  queue.arm(first, 100);
  CHECK(queue.fire(100) == 2);
  CHECK(log == std::vector<int>{1, 2});
  CHECK(queue.next_deadline() == 101);
  queue.disarm(later);
}

TEST_CASE("aio/timer: a timer that fires may disarm, re-arm or destroy others and itself") {
  TimerQueue queue;
  std::vector<int> log;
  auto self_destroyed = std::make_unique<TestTimer>(log, 1);
  TestTimer disarmed(log, 2);
  TestTimer repeating(log, 3);
  self_destroyed->then = [&] {
    queue.disarm(disarmed);
    self_destroyed.reset();
  };
  repeating.then = [&] { queue.arm(repeating, repeating.deadline() + 10); };
  queue.arm(*self_destroyed, 10);
  queue.arm(disarmed, 10);
  queue.arm(repeating, 10);
  CHECK(queue.fire(30) == 4);
  CHECK(log == std::vector<int>{1, 3, 3, 3});
  CHECK(self_destroyed == nullptr);
  queue.disarm(disarmed);  // not armed: nothing happens
  queue.disarm(repeating);
  CHECK(queue.empty());
}

TEST_CASE("aio/timer: random operations agree with a sorted list") {
  const auto seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return static_cast<int>(random() % bound); };
  constexpr int kTimers = 60;
  TimerQueue queue;
  Model model;
  std::vector<int> log;
  std::vector<std::unique_ptr<TestTimer>> timers;
  for (int i = 0; i < kTimers; ++i) {
    timers.push_back(std::make_unique<TestTimer>(log, i));
  }
  Nanoseconds now = 0;
  for (int step = 0; step < 50'000; ++step) {
    const int number = below(kTimers);
    Timer& timer = *timers[static_cast<std::size_t>(number)];
    switch (below(4)) {
      case 0:
      case 1: {
        const Nanoseconds deadline = now + below(20);
        queue.arm(timer, deadline);
        model.arm(number, deadline);
        break;
      }
      case 2:
        queue.disarm(timer);
        model.disarm(number);
        break;
      default:
        now += below(5);
        log.clear();
        const std::size_t fired = queue.fire(now);
        REQUIRE(log == model.fire(now));
        REQUIRE(fired == log.size());
    }
    REQUIRE(queue.next_deadline() == model.next_deadline());
  }
}

TEST_CASE("aio/clock: the monotonic clock does not go back, the virtual one goes when told") {
  blk::aio::MonotonicClock monotonic;
  const Nanoseconds before = monotonic.now();
  CHECK(before > 0);
  CHECK(monotonic.now() >= before);
  blk::aio::VirtualClock clock;
  CHECK(clock.now() == 0);
  clock.advance_to(50);
  clock.advance_to(20);
  CHECK(clock.now() == 50);
}
