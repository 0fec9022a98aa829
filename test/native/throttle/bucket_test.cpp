#include "throttle/bucket.hpp"

#include <doctest/doctest.h>

namespace {

using blk::throttle::Bucket;
using blk::throttle::BucketLimits;

constexpr double kTolerance = 1e-6;

Bucket bucket_with(const BucketLimits& limits, double level = 0, double burst_level = 0) {
  Bucket bucket;
  bucket.configure(limits);
  bucket.set_levels(level, burst_level);
  return bucket;
}

TEST_CASE("THR-1: levels fall by their rates and stop at zero") {
  Bucket bucket = bucket_with({100, 1000, 2}, 150, 1500);
  bucket.leak(500'000'000);
  CHECK(bucket.level() == 100);
  CHECK(bucket.burst_level() == 1000);
  bucket.leak(2'000'000'000);
  CHECK(bucket.level() == 0);
  CHECK(bucket.burst_level() == 0);
}

TEST_CASE("THR-1: without a burst of more than a second the burst level does not move") {
  Bucket bucket = bucket_with({100, 1000, 1}, 150, 1500);
  bucket.leak(500'000'000);
  CHECK(bucket.burst_level() == 1500);
}

TEST_CASE("THR-2: without a maximum the bucket holds a tenth of the average") {
  CHECK(bucket_with({4096, 0, 1}, 409.6).wait() == 0);
  CHECK(bucket_with({4096, 0, 1}, 409.7).wait() > 0);
  CHECK(bucket_with({1, 0, 1}, 0.1).wait() == 0);
  CHECK(bucket_with({1, 0, 1}, 0.11).wait() > 0);
}

TEST_CASE("THR-2: with a maximum the bucket holds it for the length of the burst") {
  CHECK(bucket_with({10, 50, 3}, 150).wait() == 0);
  CHECK(bucket_with({10, 50, 3}, 151).wait() == 100'000'000);
}

TEST_CASE("THR-3: no average, no wait") { CHECK(bucket_with({0, 0, 1}, 1e9).wait() == 0); }

TEST_CASE("THR-3: what is above the size leaks at the average, in whole nanoseconds") {
  CHECK(bucket_with({4096, 0, 1}, 512).wait() == 24'999'999);
  CHECK(bucket_with({1, 0, 1}, 1).wait() == 900'000'000);
}

TEST_CASE("THR-3: inside the size the burst level counts, against a tenth of the maximum") {
  CHECK(bucket_with({10, 100, 5}, 20, 10).wait() == 0);
  CHECK(bucket_with({10, 100, 5}, 20, 20).wait() == 100'000'000);
}

TEST_CASE("THR-4: exactly full does not wait") {
  CHECK(bucket_with({10, 50, 1}, 50).wait() == 0);
  CHECK(bucket_with({10, 50, 1}, 51).wait() == 100'000'000);
}

TEST_CASE("THR-6: a burst of one second can be used up at once") {
  Bucket bucket = bucket_with({10, 50, 1});
  for (int request = 0; request < 51; ++request) {
    CHECK(bucket.wait() == 0);
    bucket.charge(1);
  }
  CHECK(bucket.wait() == 100'000'000);
}

TEST_CASE("THR-7: a bucket leaks at its average") {
  Bucket bucket = bucket_with({150, 15, 1}, 1.5);
  for (const double expected : {0.5, 0.0, 0.0}) {
    bucket.leak(6'666'666);
    CHECK(bucket.level() == doctest::Approx(expected).epsilon(kTolerance));
  }
}

TEST_CASE("THR-8: a burst level leaks at its maximum") {
  Bucket bucket = bucket_with({0, 250, 2}, 0, 6);
  for (const double expected : {3.5, 1.0, 0.0, 0.0}) {
    bucket.leak(10'000'000);
    CHECK(bucket.burst_level() == doctest::Approx(expected).epsilon(kTolerance));
  }
}

TEST_CASE("THR-9: waits of buckets with and without an average") {
  CHECK(bucket_with({0, 15, 1}, 1.5).wait() == 0);
  CHECK(bucket_with({150, 15, 1}, 15).wait() == 0);
  CHECK(bucket_with({150, 15, 1}, 9).wait() == 0);
  CHECK(bucket_with({150, 15, 1}, 15.5).wait() == 3'333'333);
}

TEST_CASE("THR-10: a burst lasts until the bucket is full") {
  Bucket bucket = bucket_with({10, 200, 2});
  for (int round = 0; round < 22; ++round) {
    bucket.charge(20);
    bucket.leak(100'000'000);
    CHECK(bucket.burst_level() == 0);
    CHECK(bucket.level() == 19 * (round + 1));
    CHECK(bucket.wait() == (round < 21 ? 0 : 1'800'000'000));
  }
}

}  // namespace
