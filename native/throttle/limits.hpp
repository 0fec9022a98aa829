// What a throttled disk may do, as its owner wants it. Plain data: lib/throttle/limits.ts checks
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace blk::throttle {

/// The limits of one bucket. Units are bytes or operations, per second.
struct BucketLimits {
  double average = 0;              // 0: no limit
  double maximum = 0;              // in a burst; 0: a tenth of a second's worth at once
  std::uint64_t burst_length = 1;  // seconds that a burst at the maximum may last

  friend bool operator==(const BucketLimits&, const BucketLimits&) = default;
};

enum class Direction : std::uint8_t { kRead, kWrite };
inline constexpr std::array kDirections{Direction::kRead, Direction::kWrite};

/// QAPI's order: bps, bps_rd, bps_wr, iops, iops_rd, iops_wr.
enum BucketIndex : std::uint8_t {
  kBytesTotal,
  kBytesRead,
  kBytesWrite,
  kOperationsTotal,
  kOperationsRead,
  kOperationsWrite,
};
inline constexpr std::size_t kBuckets = 6;

struct Limits {
  std::array<BucketLimits, kBuckets> buckets{};
  /// Bytes that count as one operation; a larger request counts as several. 0: every request is
  /// one.
  double operation_size = 0;

  /// Any bucket limits anything (THR-17, THR-30).
  bool enabled() const {
    for (const BucketLimits& bucket : buckets) {
      if (bucket.average > 0) {
        return true;
      }
    }
    return false;
  }
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace blk::throttle
