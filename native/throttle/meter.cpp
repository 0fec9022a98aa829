#include "throttle/meter.hpp"

#include <algorithm>

namespace blk::throttle {

namespace {

constexpr std::array<std::array<BucketIndex, 4>, 2> kConcerned{{
    {kBytesTotal, kOperationsTotal, kBytesRead, kOperationsRead},
    {kBytesTotal, kOperationsTotal, kBytesWrite, kOperationsWrite},
}};

}  // namespace

void Meter::configure(const Limits& limits, aio::Nanoseconds now) {
  if (enabled_) {
    leak(now);  // at the old rates
  }
  for (std::size_t index = 0; index < kBuckets; ++index) {
    if (!enabled_) {
      buckets_[index].empty();
    }
    buckets_[index].configure(limits.buckets[index]);
  }
  for (const Direction direction : kDirections) {
    Limiting& its = limiting_[static_cast<std::size_t>(direction)];
    its.count = 0;
    for (const BucketIndex index : kConcerned[static_cast<std::size_t>(direction)]) {
      if (limits.buckets[index].average > 0) {
        its.indices[its.count++] = index;
      }
    }
  }
  limits_ = limits;
  operation_size_ =
      limits.operation_size > 0 ? limits.operation_size : std::numeric_limits<double>::infinity();
  enabled_ = limits.enabled();
  last_leak_ = now;
}

void Meter::leak_since(aio::Nanoseconds now) {
  const aio::Nanoseconds elapsed = now - last_leak_;
  last_leak_ = now;
  if (elapsed <= 0) {
    return;
  }
  for (Bucket& bucket : buckets_) {
    bucket.leak(elapsed);
  }
}

aio::Nanoseconds Meter::wait(Direction direction) const {
  aio::Nanoseconds longest = 0;
  for (const std::uint8_t index : limiting(direction)) {
    longest = std::max(longest, buckets_[index].wait());
  }
  return longest;
}

}  // namespace blk::throttle
