// The average of what happened lately (timed_average of util/timed-average.c), in constant space.
//
//   values --> window A: . . . . . | . . . . . | . . .       each window is one period long and
//   then
//          \-> window B: . . | . . . . . | . . . . . |       emptied; they are half a period apart
//
// Results come from the window that will expire first: it holds between half and all of a period.
// A period is 4/3 of what was asked for, so on average results cover what was asked for.
#pragma once

#include <array>
#include <cstdint>

#include "accounting/cell.hpp"
#include "aio/clock.hpp"

namespace blk::accounting {

/// One thread writes; a copy may be made and asked by any other (see Versioned). Time comes from
/// the caller, in nanoseconds of any clock that does not go back.
class TimedAverage {
 public:
  struct Result {
    std::int64_t min = 0;
    std::int64_t max = 0;
    std::int64_t average = 0;  // rounded down
    std::int64_t sum = 0;
    aio::Nanoseconds elapsed = 0;  // what it covers: at least half a period and less than one
  };

  /// `requested`: 1 ns to 2^32 s.
  TimedAverage(aio::Nanoseconds requested, aio::Nanoseconds now);

  aio::Nanoseconds period() const { return period_; }
  /// `value` is not negative.
  void account(std::int64_t value, aio::Nanoseconds now);
  /// Expires windows, so it changes the object.
  Result result(aio::Nanoseconds now);

 private:
  struct Window {
    Cell min;
    Cell max;
    Cell sum;
    Cell count;
    Cell expires;
  };

  void expire(aio::Nanoseconds now);

  aio::Nanoseconds period_;
  std::array<Window, 2> windows_;
};

}  // namespace blk::accounting
