// A leaky bucket as a meter: what a request costs is poured in after it was admitted, and leaks out
// at the permitted rate. The bucket is too full -> the next one waits.
//
// Levels are double precision numbers and the leak is computed from whole nanoseconds, so the same
// requests at the same times are admitted at the same nanosecond, always.
#pragma once

#include <limits>

#include "aio/clock.hpp"
#include "throttle/limits.hpp"

namespace blk::throttle {

class Bucket {
 public:
  /// The level stays, but not above the new size: a limit that is set again and again must not
  /// grant a new burst each time. Without a limit until now it begins empty.
  void configure(const BucketLimits& limits);
  void empty() { level_ = burst_level_ = 0; }

  /// `elapsed` > 0.
  void leak(aio::Nanoseconds elapsed);
  void charge(double units) {
    level_ += units;
    burst_level_ += units * burst_share_;
  }
  /// How long until a request is admitted, cut to whole nanoseconds; 0: now. Exactly full is not
  /// too full (THR-4).
  aio::Nanoseconds wait() const { return has_room() ? 0 : wait_for_room(); }
  bool has_room() const { return level_ <= room_ && burst_level_ <= burst_room_; }

  /// What surely has room beside a level that is a whole number, at most `most`; else -1.
  std::int64_t whole_room(std::int64_t most) const;

  const BucketLimits& limits() const { return limits_; }
  double level() const { return level_; }
  double burst_level() const { return burst_level_; }
  /// For tests that begin in the middle.
  void set_levels(double level, double burst_level) {
    level_ = level;
    burst_level_ = burst_level;
  }

 private:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  aio::Nanoseconds wait_for_room() const;
  /// What fits in before requests wait.
  double size() const;
  /// What fits into the second bucket, which bounds the rate inside a burst.
  double burst_size() const { return limits_.maximum / 10; }
  /// A burst of one second has no rate of its own (THR-6).
  bool has_burst_rate() const { return limits_.burst_length > 1; }

  BucketLimits limits_;
  double level_ = 0;
  double burst_level_ = 0;
  // The sizes, where there is a limit: what every request is compared with.
  double room_ = kNoLimit;
  double burst_room_ = kNoLimit;
  // 1 with a burst rate, else 0: cheaper than to ask.
  double burst_share_ = 0;
};

}  // namespace blk::throttle
