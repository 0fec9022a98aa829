#include "throttle/meter.hpp"

#include <algorithm>
#include <utility>

namespace blk::throttle {

namespace {

constexpr std::array<std::array<BucketIndex, 4>, 2> kConcerned{{
    {kBytesTotal, kOperationsTotal, kBytesRead, kOperationsRead},
    {kBytesTotal, kOperationsTotal, kBytesWrite, kOperationsWrite},
}};

/// One request more is still far below 2^53.
constexpr std::int64_t kMostCalm = std::int64_t{1} << 52;

}  // namespace

void Meter::configure(const Limits& limits, aio::Nanoseconds now) {
  settle();
  calm_asked_ = kNever;
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

void Meter::find_calm(aio::Nanoseconds now) {
  if (operation_size_ != std::numeric_limits<double>::infinity()) {
    return;  // an operation may be a fraction
  }
  std::int64_t bytes = kMostCalm;
  std::int64_t operations = kMostCalm;
  for (std::size_t index = 0; index < kBuckets; ++index) {
    std::int64_t& room = index <= kBytesWrite ? bytes : operations;
    room = std::min(room, buckets_[index].whole_room(kMostCalm));
  }
  if (bytes >= 0 && operations >= 0) {
    calm_since_ = now;
    calm_bytes_ = bytes;
    calm_operations_ = operations;
  }
}

void Meter::pour() {
  calm_since_ = kNever;
  for (const Direction direction : kDirections) {
    const Poured its = std::exchange(poured_[static_cast<std::size_t>(direction)], {});
    for (const std::uint8_t index : limiting(direction)) {
      buckets_[index].charge(
          static_cast<double>(index <= kBytesWrite ? its.bytes : its.operations));
    }
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
