// In virtual time, to the nanosecond.
#include "accounting/timed-average.hpp"

#include <doctest/doctest.h>

namespace {

using blk::accounting::TimedAverage;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStep = 100'000'000;

void check_rounds(TimedAverage& average, std::int64_t& now) {
  constexpr std::int64_t kValues[] = {1, 5, 2, 4, 3};
  for (int round = 0; round < 100; ++round) {
    for (const std::int64_t value : kValues) {
      average.account(value, now);
      now += kStep;
    }
    const TimedAverage::Result result = average.result(now);
    CHECK(result.min == 1);
    CHECK(result.max == 5);
    CHECK(result.average == 3);
  }
}

}  // namespace

TEST_CASE("TA-1: a period is 4/3 of what was asked for, and the windows are half a period apart") {
  CHECK(TimedAverage(kSecond, 0).period() == 1'333'333'333);
  CHECK(TimedAverage(3 * kSecond, 0).period() == 4 * kSecond);
  CHECK(TimedAverage(4'294'967'295 * kSecond, 0).period() == 5'726'623'060'000'000'000);
  // The first window ends after half a period, the second after a whole one.
  TimedAverage average(kSecond, 1000);
  CHECK(average.result(1000 + 666'666'665).elapsed == 1'333'333'332);
  CHECK(average.result(1000 + 666'666'666).elapsed == 666'666'666);
  CHECK(average.result(1000 + 1'333'333'332).elapsed == 1'333'333'332);
  CHECK(average.result(1000 + 1'333'333'333).elapsed == 666'666'667);
}

TEST_CASE("TA-2: values go into both windows, and the one that expires first answers") {
  TimedAverage average(kSecond, 0);
  average.account(10, 0);
  average.account(20, 700'000'000);  // the first window has begun anew
  CHECK(average.result(700'000'000).sum == 30);
  CHECK(average.result(1'333'333'332).sum == 30);
  // Now the first window is the older one; it never saw the 10.
  CHECK(average.result(1'333'333'333).sum == 20);
}

TEST_CASE("TA-3: windows expire when somebody looks, by whole periods") {
  TimedAverage average(kSecond, 0);
  average.account(10, 0);
  const std::int64_t late = 1000 * std::int64_t{1'333'333'333} + 5;
  CHECK(average.result(late).sum == 0);
  // Still where they would be had somebody looked at every end.
  CHECK(average.result(late).elapsed == 666'666'667 + 5);
  average.account(7, late);
  CHECK(average.result(late).sum == 7);
}

TEST_CASE("TA-4: empty windows give zeroes, and the average is rounded down") {
  TimedAverage average(kSecond, 0);
  const TimedAverage::Result empty = average.result(0);
  CHECK(empty.min == 0);
  CHECK(empty.max == 0);
  CHECK(empty.average == 0);
  CHECK(empty.sum == 0);
  average.account(10, 1);
  average.account(11, 2);
  CHECK(average.result(3).average == 10);
}

TEST_CASE(
    "TA-5: values in rounds give the same after each one, before and after a long idle time") {
  TimedAverage average(kSecond, 0);
  std::int64_t now = 0;
  check_rounds(average, now);
  now += 100 * kSecond;
  const TimedAverage::Result idle = average.result(now);
  CHECK(idle.min == 0);
  CHECK(idle.max == 0);
  CHECK(idle.average == 0);
  check_rounds(average, now);
}

TEST_CASE("TA-6: one value of a one-second average is seen for 1333333332 ns") {
  TimedAverage average(kSecond, 0);
  average.account(10, 0);
  for (const std::int64_t when : {600'000'000, 700'000'000, 1'333'333'332}) {
    const TimedAverage::Result result = average.result(when);
    CHECK(result.min == 10);
    CHECK(result.max == 10);
    CHECK(result.average == 10);
  }
  CHECK(average.result(1'333'333'333).max == 0);
}

TEST_CASE("TA-7: what results cover is between half and all of a period") {
  TimedAverage average(kSecond, 0);
  CHECK(average.result(0).elapsed == 666'666'667);
  CHECK(average.result(600'000'000).elapsed == 1'266'666'667);
  CHECK(average.result(666'666'666).elapsed == 666'666'666);
  for (std::int64_t now = 666'666'666; now < 20 * kSecond; now += 12'345'679) {
    const std::int64_t elapsed = average.result(now).elapsed;
    CHECK(elapsed >= average.period() / 2);
    CHECK(elapsed < average.period());
  }
}
