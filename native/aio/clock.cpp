#include "aio/clock.hpp"

#include <ctime>

namespace blk::aio {

Nanoseconds MonotonicClock::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return Nanoseconds{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace blk::aio
