// Time as contexts see it. Every wait and every measurement goes through a Clock, so that tests and
// the sim engine can run in virtual time, exactly.
#pragma once

#include <cstdint>

namespace blk::aio {

/// Nanoseconds of a monotonic clock; only differences mean something.
using Nanoseconds = std::int64_t;

inline constexpr Nanoseconds kNever = INT64_MAX;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanoseconds now() const = 0;
};

/// CLOCK_MONOTONIC.
class MonotonicClock final : public Clock {
 public:
  Nanoseconds now() const override;
};

/// A clock that moves only when told to. Never goes back.
class VirtualClock final : public Clock {
 public:
  Nanoseconds now() const override { return now_; }
  void advance_to(Nanoseconds when) { now_ = when > now_ ? when : now_; }

 private:
  Nanoseconds now_ = 0;
};

}  // namespace blk::aio
