// Six buckets that fill together: what all users of one set of limits have used up.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "throttle/bucket.hpp"

namespace blk::throttle {

/// Not thread-safe: its group sees to that.
class Meter {
 public:
  /// Levels are zeroed when the limits go from off to on, and kept (Bucket::configure) when they
  /// change while they are on.
  void configure(const Limits& limits, aio::Nanoseconds now);
  const Limits& limits() const { return limits_; }
  bool enabled() const { return enabled_; }

  /// The levels as of `now`: what was poured calmly is in them, and what leaked since the last call
  /// is not. Time that stands still or goes back leaks nothing (THR-16).
  void leak(aio::Nanoseconds now) {
    settle();
    if (now != last_leak_) {
      leak_since(now);
    }
  }

  // --- the short way: far from all limits, the requests of one moment are only added up
  // The levels come out the same to the last bit: sums of whole numbers below 2^53 are exact in
  // whatever order they are added.

  /// True: it is charged, as leak(), has_room() and charge() would. False: they must say.
  bool charge_calmly(Direction direction, std::int64_t bytes, aio::Nanoseconds now) {
    if (now != calm_since_ || calm_bytes_ < 0 || calm_operations_ < 0) {
      return false;
    }
    calm_bytes_ -= bytes;
    --calm_operations_;
    Poured& its = poured_[static_cast<std::size_t>(direction)];
    its.bytes += bytes;
    ++its.operations;
    return true;
  }
  /// After a request was charged at `now`: whether the others of that moment may go the short way.
  void calm_down(aio::Nanoseconds now) {
    if (now != calm_asked_) {
      calm_asked_ = now;
      find_calm(now);
    }
  }
  /// What was poured calmly goes into the buckets.
  void settle() {
    if (calm_since_ != kNever) {
      pour();
    }
  }

  /// As of the last leak: the longest wait of the four buckets that bear on the direction (THR-11).
  aio::Nanoseconds wait(Direction direction) const;
  /// That nothing need wait: the answer of nearly all requests.
  bool has_room(Direction direction) const {
    for (const std::uint8_t index : limiting(direction)) {
      if (!buckets_[index].has_room()) {
        return false;
      }
    }
    return true;
  }
  /// `bytes` >= 0 (THR-12). A bucket without a limit is left alone: it begins empty when it gets
  /// one.
  void charge(Direction direction, std::int64_t bytes) {
    const auto size = static_cast<double>(bytes);
    const double operations = size > operation_size_ ? size / operation_size_ : 1;
    for (const std::uint8_t index : limiting(direction)) {
      buckets_[index].charge(index <= kBytesWrite ? size : operations);
    }
  }

  const Bucket& bucket(BucketIndex index) const { return buckets_[index]; }
  Bucket& bucket(BucketIndex index) { return buckets_[index]; }

 private:
  /// The buckets with a limit that bear on one direction.
  struct Limiting {
    std::array<std::uint8_t, 4> indices{};
    std::uint8_t count = 0;
  };
  std::span<const std::uint8_t> limiting(Direction direction) const {
    const Limiting& its = limiting_[static_cast<std::size_t>(direction)];
    return {its.indices.data(), its.count};
  }
  /// What went the short way in one direction and is in no bucket yet.
  struct Poured {
    std::int64_t bytes = 0;
    std::int64_t operations = 0;
  };
  static constexpr aio::Nanoseconds kNever = -1;  // virtual clocks begin at 0

  void leak_since(aio::Nanoseconds now);
  void find_calm(aio::Nanoseconds now);
  void pour();

  Limits limits_;
  std::array<Bucket, kBuckets> buckets_;
  std::array<Limiting, 2> limiting_;
  /// Infinite where every request is one operation.
  double operation_size_ = std::numeric_limits<double>::infinity();
  aio::Nanoseconds last_leak_ = 0;
  // What every bucket has room for, at least; below zero: ask the buckets.
  std::int64_t calm_bytes_ = 0;
  std::int64_t calm_operations_ = 0;
  aio::Nanoseconds calm_since_ = kNever;
  aio::Nanoseconds calm_asked_ = kNever;
  std::array<Poured, 2> poured_;
  bool enabled_ = false;
};

}  // namespace blk::throttle
