#include "throttle/bucket.hpp"

#include <algorithm>
#include <cmath>

namespace blk::throttle {

namespace {

constexpr double kSecond = 1e9;

double leaked(double level, double rate, aio::Nanoseconds elapsed) {
  return std::max(level - rate * static_cast<double>(elapsed) / kSecond, 0.0);
}

// Longer than a context can wait; a day of QEMU's largest debt has the same answer, later.
constexpr double kLongestWait = 9e18;

aio::Nanoseconds time_to_leak(double excess, double rate) {
  return static_cast<aio::Nanoseconds>(std::min(excess * kSecond / rate, kLongestWait));
}

/// How much a bucket holds, and how fast it leaks.
struct Shape {
  double size;
  double rate;
};

// What is inside the bucket stays, as far as there is room for it. What is above it is owed, and
// stays owed: neither more of it than before, nor for a longer time.
double poured_over(double level, const Shape& from, const Shape& to) {
  // Not level - owed, which is rounded: times are to be the same to the nanosecond (TG-7).
  const double within = std::min(level, from.size);
  const double owed = level - within;
  const double slower = from.rate > to.rate ? to.rate / from.rate : 1;
  return std::min(within, to.size) + owed * slower;
}

}  // namespace

void Bucket::configure(const BucketLimits& limits) {
  // What passed while there was no limit was not used up, and is not owed.
  if (limits_.average == 0) {
    empty();
  }
  const Shape before{size(), limits_.average};
  const Shape burst_before{burst_size(), limits_.maximum};
  limits_ = limits;
  level_ = poured_over(level_, before, {size(), limits_.average});
  burst_level_ = has_burst_rate()
                     ? poured_over(burst_level_, burst_before, {burst_size(), limits_.maximum})
                     : 0;
  burst_share_ = has_burst_rate() ? 1 : 0;
  room_ = limits_.average > 0 ? size() : kNoLimit;
  burst_room_ = limits_.average > 0 && has_burst_rate() ? burst_size() : kNoLimit;
}

void Bucket::leak(aio::Nanoseconds elapsed) {
  level_ = leaked(level_, limits_.average, elapsed);
  if (has_burst_rate()) {
    burst_level_ = leaked(burst_level_, limits_.maximum, elapsed);
  }
}

aio::Nanoseconds Bucket::wait_for_room() const {
  if (level_ > room_) {
    return time_to_leak(level_ - room_, limits_.average);
  }
  return time_to_leak(burst_level_ - burst_room_, limits_.maximum);
}

std::int64_t Bucket::whole_room(std::int64_t most) const {
  const auto limit = static_cast<double>(most);
  if (level_ > limit || burst_level_ > limit || std::floor(level_) != level_ ||
      std::floor(burst_level_) != burst_level_) {
    return -1;
  }
  const double room = std::min(std::floor(std::min(room_, limit)) - level_,
                               std::floor(std::min(burst_room_, limit)) - burst_level_);
  return std::max(static_cast<std::int64_t>(room), std::int64_t{-1});
}

double Bucket::size() const {
  return limits_.maximum == 0 ? limits_.average / 10
                              : limits_.maximum * static_cast<double>(limits_.burst_length);
}

}  // namespace blk::throttle
