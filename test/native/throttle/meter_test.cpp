#include "throttle/meter.hpp"

#include <doctest/doctest.h>

#include <random>

#include "support.hpp"

namespace {

using namespace blk::throttle;
using blk::test::limits_of;

constexpr blk::aio::Nanoseconds kSecond = 1'000'000'000;

Meter meter_with(const Limits& limits) {
  Meter meter;
  meter.configure(limits, 0);
  return meter;
}

Limits everywhere(const BucketLimits& bucket, double operation_size = 0) {
  Limits limits;
  limits.buckets.fill(bucket);
  limits.operation_size = operation_size;
  return limits;
}

double level(const Meter& meter, BucketIndex index) { return meter.bucket(index).level(); }

TEST_CASE("THR-11: a request waits for the slowest of the four buckets of its direction") {
  const struct {
    BucketIndex index;
    blk::aio::Nanoseconds read;
    blk::aio::Nanoseconds write;
  } cases[] = {
      {kBytesTotal, kSecond, kSecond}, {kOperationsTotal, kSecond, kSecond},
      {kBytesRead, kSecond, 0},        {kOperationsRead, kSecond, 0},
      {kBytesWrite, 0, kSecond},       {kOperationsWrite, 0, kSecond},
  };
  for (const auto& one : cases) {
    Meter meter = meter_with(everywhere({10, 0, 1}));
    meter.bucket(one.index).set_levels(11, 0);
    CHECK(meter.wait(Direction::kRead) == one.read);
    CHECK(meter.wait(Direction::kWrite) == one.write);
    meter.bucket(kBytesTotal).set_levels(21, 0);
    CHECK(meter.wait(Direction::kRead) == 2 * kSecond);
  }
}

TEST_CASE("THR-12: a request above the operation size counts as several, with the fraction") {
  const struct {
    std::int64_t bytes;
    double operations;
  } cases[] = {{10240, 2.5}, {4096, 1}, {512, 1}, {0, 1}};
  for (const auto& one : cases) {
    Meter meter = meter_with(everywhere({1000, 0, 1}, 4096));
    meter.charge(Direction::kWrite, one.bytes);
    CHECK(level(meter, kBytesTotal) == static_cast<double>(one.bytes));
    CHECK(level(meter, kBytesWrite) == static_cast<double>(one.bytes));
    CHECK(level(meter, kBytesRead) == 0);
    CHECK(level(meter, kOperationsTotal) == one.operations);
    CHECK(level(meter, kOperationsWrite) == one.operations);
    CHECK(level(meter, kOperationsRead) == 0);
  }
}

TEST_CASE("THR-13: bytes of one read and one write") {
  for (const std::int64_t bytes : {512, 1024}) {
    for (const double operation_size : {0, 17}) {
      Meter meter = meter_with(everywhere({150, 0, 1}, operation_size));
      meter.charge(Direction::kRead, bytes);
      meter.charge(Direction::kWrite, bytes);
      CHECK(level(meter, kBytesTotal) == static_cast<double>(2 * bytes));
      CHECK(level(meter, kBytesRead) == static_cast<double>(bytes));
      CHECK(level(meter, kBytesWrite) == static_cast<double>(bytes));
    }
  }
}

TEST_CASE("THR-14: operations of one read and one write") {
  const struct {
    std::int64_t bytes;
    double operation_size;
    double average;
    double each;
  } cases[] = {{512, 0, 150, 1},
               {1024, 0, 150, 1},
               {64 * 512, 13 * 512, 150, 64.0 / 13},
               {64 * 512, 13 * 512, 300, 64.0 / 13}};
  for (const auto& one : cases) {
    Meter meter = meter_with(everywhere({one.average, 0, 1}, one.operation_size));
    meter.charge(Direction::kRead, one.bytes);
    meter.charge(Direction::kWrite, one.bytes);
    CHECK(level(meter, kOperationsTotal) == doctest::Approx(2 * one.each));
    CHECK(level(meter, kOperationsRead) == doctest::Approx(one.each));
    CHECK(level(meter, kOperationsWrite) == doctest::Approx(one.each));
  }
}

TEST_CASE("THR-15: limits are taken as they are, with levels of zero") {
  Limits limits;
  limits.buckets = {{{153, 56, 1}, {150, 69, 23}, {42, 7, 5}, {1, 2, 3}, {9, 8, 7}, {0, 0, 0}}};
  limits.operation_size = 17;
  const Meter meter = meter_with(limits);
  CHECK(meter.limits() == limits);
  for (std::size_t index = 0; index < kBuckets; ++index) {
    CHECK(meter.bucket(static_cast<BucketIndex>(index)).level() == 0);
    CHECK(meter.bucket(static_cast<BucketIndex>(index)).burst_level() == 0);
  }
}

TEST_CASE("THR-15: limits that are set again keep what was used and what is owed") {
  const Limits limits = limits_of(kOperationsTotal, {10, 0, 1});
  Meter meter = meter_with(limits);
  for (int request = 0; request < 3; ++request) {
    meter.charge(Direction::kRead, 512);
  }
  meter.configure(limits, 100'000'000);
  CHECK(level(meter, kOperationsTotal) == 2);  // 3 less 1 that leaked
  meter.configure(limits, 200'000'000);
  CHECK(level(meter, kOperationsTotal) == 1);
}

TEST_CASE("THR-15: a smaller bucket keeps what fits, and a debt for as long as before") {
  Meter meter = meter_with(limits_of(kOperationsTotal, {100, 0, 1}));
  meter.bucket(kOperationsTotal).set_levels(8, 0);
  meter.configure(limits_of(kOperationsTotal, {10, 0, 1}), 0);
  CHECK(level(meter, kOperationsTotal) == 1);  // full, not overfull

  meter = meter_with(limits_of(kOperationsTotal, {100, 0, 1}));
  meter.bucket(kOperationsTotal).set_levels(30, 0);  // 10 and a debt of 20, which is 200 ms
  meter.configure(limits_of(kOperationsTotal, {10, 0, 1}), 0);
  CHECK(level(meter, kOperationsTotal) == 3);
  CHECK(meter.wait(Direction::kRead) == 200'000'000);
}

TEST_CASE("THR-15: a larger bucket leaves a debt as it was, which is paid sooner") {
  Meter meter = meter_with(limits_of(kOperationsTotal, {10, 0, 1}));
  meter.bucket(kOperationsTotal).set_levels(21, 0);
  meter.configure(limits_of(kOperationsTotal, {100, 0, 1}), 0);
  CHECK(level(meter, kOperationsTotal) == 21);
  CHECK(meter.wait(Direction::kRead) == 110'000'000);
}

TEST_CASE("THR-15: limits that go off and on again begin with empty buckets") {
  const Limits limits = limits_of(kOperationsTotal, {10, 0, 1});
  Meter meter = meter_with(limits);
  meter.charge(Direction::kRead, 512);
  meter.configure({}, 0);
  CHECK_FALSE(meter.enabled());
  meter.configure(limits, 0);
  CHECK(level(meter, kOperationsTotal) == 0);
}

TEST_CASE("THR-15: a bucket whose limit is new among others begins empty") {
  Limits limits = limits_of(kOperationsTotal, {10, 0, 1});
  Meter meter = meter_with(limits);
  meter.charge(Direction::kRead, 1'000'000'000);
  limits.buckets[kBytesTotal] = {1000, 2000, 2};
  meter.configure(limits, 0);
  CHECK(level(meter, kOperationsTotal) == 1);
  CHECK(level(meter, kBytesTotal) == 0);
  CHECK(meter.wait(Direction::kRead) == 0);
}

TEST_CASE("THR-16: time that stands still or goes back leaks nothing, and is the new time") {
  Meter meter = meter_with(limits_of(kOperationsTotal, {10, 0, 1}));
  meter.bucket(kOperationsTotal).set_levels(5, 0);
  meter.leak(2 * kSecond / 10);
  CHECK(level(meter, kOperationsTotal) == 3);
  meter.leak(2 * kSecond / 10);
  CHECK(level(meter, kOperationsTotal) == 3);
  meter.leak(1 * kSecond / 10);
  CHECK(level(meter, kOperationsTotal) == 3);
  meter.leak(2 * kSecond / 10);
  CHECK(level(meter, kOperationsTotal) == 2);
}

TEST_CASE("THR-17: fresh limits are all zero, with bursts of a second, and off") {
  const Limits fresh;
  for (const BucketLimits& bucket : fresh.buckets) {
    CHECK(bucket.average == 0);
    CHECK(bucket.maximum == 0);
    CHECK(bucket.burst_length == 1);
  }
  CHECK(fresh.operation_size == 0);
  CHECK_FALSE(fresh.enabled());
}

TEST_CASE("THR-17: any average turns throttling on") {
  for (std::size_t index = 0; index < kBuckets; ++index) {
    CHECK(limits_of(static_cast<BucketIndex>(index), {1, 0, 1}).enabled());
    CHECK_FALSE(limits_of(static_cast<BucketIndex>(index), {0, 1, 1}).enabled());
  }
}

bool admit(Meter& meter, Direction direction, std::int64_t bytes, blk::aio::Nanoseconds now) {
  meter.leak(now);
  if (!meter.has_room(direction)) {
    return false;
  }
  meter.charge(direction, bytes);
  return true;
}

TEST_CASE("throttle: requests of one moment are charged the same, added up or one by one") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t end) { return random() % end; };
  int calm = 0;
  for (int walk = 0; walk < 200; ++walk) {
    Limits limits;
    for (BucketLimits& bucket : limits.buckets) {
      if (below(2) == 0) {
        bucket.average = static_cast<double>(1 + below(std::uint64_t{1} << below(50)));
        bucket.maximum = below(3) == 0 ? bucket.average * 2.5 : 0;
      }
    }
    limits.operation_size = below(8) == 0 ? 4096 : 0;
    Meter added = meter_with(limits);
    Meter single = meter_with(limits);
    blk::aio::Nanoseconds now = 0;
    for (int step = 0; step < 500; ++step) {
      now += below(8) == 0
                 ? static_cast<blk::aio::Nanoseconds>(below(std::uint64_t{1} << below(40)))
                 : 0;
      const auto direction = static_cast<Direction>(below(2));
      const auto bytes = static_cast<std::int64_t>(below(std::uint64_t{1} << below(22)));
      const bool expected = admit(single, direction, bytes, now);
      if (added.charge_calmly(direction, bytes, now)) {
        ++calm;
        REQUIRE(expected);
      } else {
        REQUIRE(admit(added, direction, bytes, now) == expected);
        added.calm_down(now);
      }
    }
    added.settle();
    for (std::size_t index = 0; index < kBuckets; ++index) {
      const auto which = static_cast<BucketIndex>(index);
      REQUIRE(added.bucket(which).level() == single.bucket(which).level());
      REQUIRE(added.bucket(which).burst_level() == single.bucket(which).burst_level());
    }
  }
  CHECK(calm > 10'000);
}

}  // namespace
