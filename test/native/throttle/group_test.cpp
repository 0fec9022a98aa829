#include "throttle/group.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "support.hpp"

namespace {

using namespace blk::throttle;
using namespace blk::test;
using blk::aio::Nanoseconds;

constexpr Nanoseconds kMs = 1'000'000;
constexpr Nanoseconds kSecond = 1'000'000'000;

struct Fixture {
  explicit Fixture(const Limits& limits) { group.configure(limits, 0, nullptr); }
  Guest& add(Guest& guest) {
    group.join(guest.member);
    return guest;
  }

  VirtualHome home;
  Group group;
  std::vector<Dispatch> log;
};

/// One member, `count` reads of `bytes` at time 0.
std::vector<Nanoseconds> dispatch_times(const Limits& limits, int count, std::int64_t bytes) {
  Fixture fixture(limits);
  Guest guest(fixture.home, "a", fixture.log);
  fixture.add(guest);
  for (int request = 0; request < count; ++request) {
    guest.submit(Direction::kRead, bytes);
  }
  fixture.home.advance_to(100 * kSecond);
  return times(fixture.log);
}

using Times = std::vector<Nanoseconds>;

TEST_CASE("THR-5: one request of any size passes an empty bucket, and the next one pays for it") {
  CHECK(dispatch_times(limits_of(kBytesTotal, {1000, 0, 1}), 3, 5000) ==
        Times{0, 4900 * kMs, 9900 * kMs});
}

TEST_CASE("THR-18: 4096 bytes a second in requests of 4096") {
  CHECK(dispatch_times(limits_of(kBytesTotal, {4096, 0, 1}), 4, 4096) ==
        Times{0, 900 * kMs, 1900 * kMs, 2900 * kMs});
}

TEST_CASE("THR-19: 4096 bytes a second in requests of 512") {
  // Whole nanoseconds: the first gap is cut from 25 ms, so a rest of 4e-6 bytes is still in the
  // bucket at that time.
  const Times seen = dispatch_times(limits_of(kBytesTotal, {4096, 0, 1}), 5, 512);
  CHECK(seen[0] == 0);
  CHECK(seen[1] == 24'999'999);
  for (std::size_t index = 2; index < seen.size(); ++index) {
    const Nanoseconds exact = 25 * kMs + static_cast<Nanoseconds>(index - 1) * 125 * kMs;
    CHECK(seen[index] <= exact);
    CHECK(seen[index] >= exact - 2);
  }
}

TEST_CASE("THR-20: 10 operations a second: two at once, then one every 100 ms") {
  CHECK(dispatch_times(limits_of(kOperationsTotal, {10, 0, 1}), 5, 512) ==
        Times{0, 0, 100 * kMs, 200 * kMs, 300 * kMs});
}

TEST_CASE("THR-20: 100 operations a second: eleven at once, then one every 10 ms") {
  Times expected(11, 0);
  expected.insert(expected.end(), {10 * kMs, 20 * kMs, 30 * kMs});
  CHECK(dispatch_times(limits_of(kOperationsTotal, {100, 0, 1}), 14, 512) == expected);
}

TEST_CASE("THR-20: 1 operation a second") {
  CHECK(dispatch_times(limits_of(kOperationsTotal, {1, 0, 1}), 3, 512) ==
        Times{0, 900 * kMs, 1900 * kMs});
}

TEST_CASE("THR-21: 10 operations a second, 50 in a burst: 51 at once, then one every 100 ms") {
  Times expected(51, 0);
  expected.insert(expected.end(), {100 * kMs, 200 * kMs, 300 * kMs});
  CHECK(dispatch_times(limits_of(kOperationsTotal, {10, 50, 1}), 54, 512) == expected);
}

/// Two members, ten operations a second between them.
struct Pair : Fixture {
  explicit Pair(const Limits& limits = limits_of(kOperationsTotal, {10, 0, 1})) : Fixture(limits) {
    add(a);
    add(b);
  }
  Guest a{home, "a", log};
  Guest b{home, "b", log};
};

TEST_CASE("TG-3: the first member holds both tokens, and later ones come to the front") {
  Fixture fixture(limits_of(kOperationsTotal, {10, 0, 1}));
  Guest a(fixture.home, "a", fixture.log);
  Guest b(fixture.home, "b", fixture.log);
  Guest c(fixture.home, "c", fixture.log);
  for (Guest* guest : {&a, &b, &c}) {
    fixture.add(*guest);
  }
  for (const Direction direction : kDirections) {
    fixture.log.clear();
    a.submit(direction, 512);
    a.submit(direction, 512);
    // The ring is c, b, a: when b has had its turn, a is next. Behind each other it would be c.
    for (Guest* guest : {&b, &c, &a}) {
      guest->submit(direction, 512);
    }
    fixture.home.advance_to(fixture.home.clock.now() + 2 * kSecond);
    CHECK(order(fixture.log).size() == 14);
    CHECK(fixture.log[2].member + fixture.log[3].member + fixture.log[4].member == "bac");
  }
}

TEST_CASE("TG-4: directions wait separately and fill the total together") {
  Pair pair(limits_of(kOperationsTotal, {10, 0, 1}));
  pair.a.submit(Direction::kRead, 512);
  pair.a.submit(Direction::kWrite, 512);
  CHECK_FALSE(pair.a.submit(Direction::kRead, 512));
  CHECK_FALSE(pair.a.submit(Direction::kWrite, 512));
  CHECK(pair.a.waiting(Direction::kRead) == 1);
  CHECK(pair.a.waiting(Direction::kWrite) == 1);
  CHECK(pair.group.throttled_until(Direction::kRead) == 100 * kMs);
  CHECK(pair.group.throttled_until(Direction::kWrite) == 100 * kMs);
}

TEST_CASE("TG-5: a request waits while the timer of its direction is armed at anybody") {
  Pair pair(limits_of(kBytesTotal, {1000, 0, 1}));
  pair.a.submit(Direction::kRead, 600);
  CHECK_FALSE(pair.a.submit(Direction::kRead, 1));
  CHECK_FALSE(pair.b.submit(Direction::kRead, 1));
  pair.home.advance_to(kSecond);
  CHECK(times(pair.log) == Times{0, 500 * kMs, 501 * kMs});
}

TEST_CASE("TG-5: a member's requests of a direction go on in order") {
  Pair pair;
  for (int request = 0; request < 6; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.home.advance_to(kSecond);
  CHECK(order(pair.log) == "a1 a2 a3 a4 a5 a6");
}

TEST_CASE("TG-6: one timer per direction is armed in a group") {
  Pair pair;
  for (int request = 0; request < 4; ++request) {
    pair.a.submit(Direction::kRead, 512);
    pair.b.submit(Direction::kRead, 512);
  }
  const auto armed = [&] {
    return static_cast<int>(std::as_const(pair.a.member).lane(Direction::kRead).timer.armed()) +
           static_cast<int>(std::as_const(pair.b.member).lane(Direction::kRead).timer.armed());
  };
  CHECK(armed() == 1);
  for (Nanoseconds when = 50 * kMs; when < 600 * kMs; when += 100 * kMs) {
    pair.home.advance_to(when);
    CHECK(armed() == 1);
  }
  pair.home.advance_to(kSecond);
  CHECK(armed() == 0);
}

TEST_CASE("TG-7: the token goes to the next of the ring who waits") {
  Fixture fixture(limits_of(kOperationsTotal, {10, 0, 1}));
  Guest a(fixture.home, "a", fixture.log);
  Guest b(fixture.home, "b", fixture.log);
  Guest c(fixture.home, "c", fixture.log);
  for (Guest* guest : {&a, &b, &c}) {
    fixture.add(*guest);
  }
  // The ring is c, b, a: each new member came to its front (TG-3).
  for (int request = 0; request < 2; ++request) {
    a.submit(Direction::kRead, 512);
  }
  for (Guest* guest : {&a, &b, &c}) {
    guest->submit(Direction::kRead, 512);
    guest->submit(Direction::kRead, 512);
  }
  fixture.home.advance_to(2 * kSecond);
  CHECK(order(fixture.log) == "a1 a2 a3 c1 b1 a4 c2 b2");
}

TEST_CASE("TG-8: two members take turns, strictly") {
  Pair pair;
  for (int request = 0; request < 20; ++request) {
    pair.a.submit(Direction::kRead, 512);
    pair.b.submit(Direction::kRead, 512);
  }
  pair.home.advance_to(10 * kSecond);
  REQUIRE(pair.log.size() == 40);
  CHECK(pair.log[0] == Dispatch{"a", 1, 0});
  CHECK(pair.log[1] == Dispatch{"b", 1, 0});
  for (int index = 2; index < 40; ++index) {
    const Dispatch& one = pair.log[static_cast<std::size_t>(index)];
    CHECK(one.when == (index - 1) * 100 * kMs);
    CHECK(one.number == index / 2 + 1);
    CHECK(one.member != pair.log[static_cast<std::size_t>(index - 1)].member);
  }
}

TEST_CASE("TG-10: members share the limit, and one that is alone has all of it") {
  Pair pair(limits_of(kOperationsTotal, {100, 0, 1}));
  for (int request = 0; request < 200; ++request) {
    pair.a.submit(Direction::kRead, 512);
    pair.b.submit(Direction::kRead, 512);
  }
  pair.home.advance_to(kSecond);
  const auto dispatched = [&](const char* name) {
    return std::count_if(pair.log.begin(), pair.log.end(),
                         [name](const Dispatch& one) { return one.member == name; });
  };
  CHECK(dispatched("a") >= 45 + 5);
  CHECK(dispatched("a") <= 55 + 6);
  CHECK(dispatched("b") >= 45 + 5);
  CHECK(dispatched("b") <= 55 + 6);
  pair.home.advance_to(10 * kSecond);
  const std::ptrdiff_t before = dispatched("a");
  for (int request = 0; request < 200; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.home.advance_to(11 * kSecond);
  CHECK(dispatched("a") - before == 11 + 100);
}

TEST_CASE("TG-11: while nobody must wait, the member that was woken goes on, then others are") {
  Pair pair(limits_of(kOperationsTotal, {1, 0, 1}));
  for (int request = 0; request < 4; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  for (int request = 0; request < 2; ++request) {
    pair.b.submit(Direction::kRead, 512);
  }
  // The timer is at a; all that wait fit in now.
  pair.group.configure(limits_of(kOperationsTotal, {1000, 0, 1}), 0, &pair.home.context);
  pair.home.advance_to(kSecond);
  CHECK(order(pair.log) == "a1 a2 a3 a4 b1 b2");
  CHECK(pair.log.back().when == pair.log[1].when);
}

TEST_CASE("TG-12: new limits bear on who waits already, at once") {
  Pair pair(limits_of(kOperationsTotal, {1, 0, 1}));
  for (int request = 0; request < 3; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.home.advance_to(100 * kMs);
  // 0.9 of an operation is left in the bucket; at 10 a second it holds 1 whole one.
  pair.group.configure(limits_of(kOperationsTotal, {10, 0, 1}), 100 * kMs, &pair.home.context);
  pair.home.advance_to(kSecond);
  CHECK(times(pair.log) == Times{0, 100 * kMs, 190 * kMs - 1});
}

TEST_CASE("TG-12: limits that are switched off let all of them go") {
  Pair pair(limits_of(kOperationsTotal, {1, 0, 1}));
  for (int request = 0; request < 5; ++request) {
    pair.a.submit(Direction::kRead, 512);
    pair.b.submit(Direction::kWrite, 512);
  }
  pair.home.advance_to(100 * kMs);
  pair.group.configure({}, 100 * kMs, &pair.home.context);
  pair.home.advance_to(100 * kMs);
  CHECK(pair.log.size() == 10);
  CHECK(pair.a.waiting(Direction::kRead) == 0);
  CHECK(pair.b.waiting(Direction::kWrite) == 0);
}

TEST_CASE("TG-5: who waited goes first also when limits are switched off") {
  Pair pair(limits_of(kOperationsTotal, {1, 0, 1}));
  for (int request = 0; request < 3; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.group.configure({}, 0, &pair.home.context);
  CHECK_FALSE(pair.a.submit(Direction::kRead, 512));
  CHECK(pair.b.submit(Direction::kRead, 512));
  CHECK(pair.group.throttled_until(Direction::kRead) == 0);
  pair.home.advance_to(0);
  CHECK(pair.group.throttled_until(Direction::kRead) == Group::kNotThrottled);
  CHECK(order(pair.log) == "a1 b1 a2 a3 a4");
}

TEST_CASE("TG-12: the same limit ten times a second grants no more than once") {
  const Limits limits = limits_of(kOperationsTotal, {1000, 0, 1});
  Pair pair(limits);
  for (int request = 0; request < 30'000; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  for (int change = 1; change <= 100; ++change) {
    pair.home.advance_to(change * 100 * kMs);
    pair.group.configure(limits, change * 100 * kMs, &pair.home.context);
  }
  CHECK(pair.log.size() == 10'000 + 101);
}

TEST_CASE("TG-13: the token of a member that leaves goes on to the next") {
  Fixture fixture(limits_of(kOperationsTotal, {10, 0, 1}));
  Guest a(fixture.home, "a", fixture.log);
  Guest b(fixture.home, "b", fixture.log);
  fixture.group.join(a.member);
  fixture.add(b);
  a.submit(Direction::kRead, 512);
  fixture.group.leave(a.member);
  CHECK(a.member.group() == nullptr);
  for (int request = 0; request < 3; ++request) {
    b.submit(Direction::kRead, 512);
  }
  fixture.home.advance_to(kSecond);
  CHECK(times(fixture.log) == Times{0, 0, 100 * kMs, 200 * kMs});
}

TEST_CASE("TG-13: the last member that leaves leaves an empty group") {
  Fixture fixture(limits_of(kOperationsTotal, {10, 0, 1}));
  Guest a(fixture.home, "a", fixture.log);
  fixture.group.join(a.member);
  CHECK_FALSE(fixture.group.is_empty());
  fixture.group.leave(a.member);
  CHECK(fixture.group.is_empty());
  fixture.add(a);
  CHECK(a.submit(Direction::kRead, 512));
}

TEST_CASE("TG-15: a member that moves hands the timer on") {
  Pair pair;
  VirtualHome elsewhere;
  for (int request = 0; request < 2; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.a.submit(Direction::kRead, 512);
  pair.b.submit(Direction::kRead, 512);
  CHECK(pair.a.cancel(3));
  pair.a.member.move_to(elsewhere.context);
  pair.home.advance_to(kSecond);
  CHECK(order(pair.log) == "a1 a2 b1");
  CHECK(pair.log.back().when == 100 * kMs);
  pair.a.member.move_to(pair.home.context);
}

TEST_CASE("TG-20: a member that is drained does not wait, and others pay for it") {
  Pair pair;
  for (int request = 0; request < 5; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  CHECK(pair.a.waiting(Direction::kRead) == 3);
  pair.a.member.bypass_begin();
  CHECK(times(pair.log) == Times{0, 0, 0, 0, 0});
  CHECK(pair.a.submit(Direction::kRead, 512));
  CHECK_FALSE(pair.b.submit(Direction::kRead, 512));
  pair.a.member.bypass_end();
  pair.home.advance_to(kSecond);
  // Six were charged and the bucket holds one: five more must leak.
  CHECK(pair.log.back() == Dispatch{"b", 1, 500 * kMs});
}

TEST_CASE("TG-20: those of other members that waited behind a drained one do not wait for ever") {
  Pair pair;
  for (int request = 0; request < 4; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.b.submit(Direction::kRead, 512);
  pair.a.member.bypass_begin();
  pair.home.advance_to(kSecond);
  CHECK(pair.log.back() == Dispatch{"b", 1, 300 * kMs});
}

TEST_CASE("NEW-17: a timer is armed only for a direction that waits") {
  Pair pair(limits_of(kOperationsRead, {10, 0, 1}));
  for (int request = 0; request < 5; ++request) {
    pair.a.submit(Direction::kRead, 512);
    CHECK(pair.a.submit(Direction::kWrite, 512));
  }
  CHECK(pair.group.throttled_until(Direction::kRead) > 0);
  CHECK(pair.group.throttled_until(Direction::kWrite) == Group::kNotThrottled);
}

TEST_CASE("throttle: a request that is cancelled leaves uncharged, and nobody waits for it") {
  Pair pair;
  for (int request = 0; request < 4; ++request) {
    pair.a.submit(Direction::kRead, 512);
  }
  pair.b.submit(Direction::kRead, 512);
  CHECK(pair.a.cancel(3));
  CHECK_FALSE(pair.a.cancel(3));
  CHECK(pair.a.cancel(4));
  pair.home.advance_to(kSecond);
  CHECK(order(pair.log) == "a1 a2 b1");
  CHECK(pair.log.back().when == 100 * kMs);
}

TEST_CASE("throttle: a context that closes lets everything go") {
  Pair pair(limits_of(kOperationsTotal, {1, 0, 1}));
  for (int request = 0; request < 100; ++request) {
    pair.a.submit(Direction::kRead, 512);
    pair.b.submit(Direction::kWrite, 512);
  }
  pair.home.context.close();
  pair.home.context.timers().fire(blk::aio::kNever);
  CHECK(pair.log.size() == 200);
}

}  // namespace
