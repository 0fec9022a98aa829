#include "throttle/meter.hpp"

#include <algorithm>

namespace blk::throttle {

namespace {

constexpr std::array<std::array<BucketIndex, 4>, 2> kConcerned{{
    {kBytesTotal, kOperationsTotal, kBytesRead, kOperationsRead},
    {kBytesTotal, kOperationsTotal, kBytesWrite, kOperationsWrite},
}};

const std::array<BucketIndex, 4>& concerned(Direction direction) {
  return kConcerned[static_cast<std::size_t>(direction)];
}

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
  for (const BucketIndex index : concerned(direction)) {
    longest = std::max(longest, buckets_[index].wait());
  }
  return longest;
}

}  // namespace blk::throttle
