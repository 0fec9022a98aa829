// Percentiles of latencies, without allocation per sample.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace blk::accounting {

/// Log-linear: every power of two is cut into 32 equal buckets, so a reported percentile is at most
/// 1/32 (3.1 %) above the true one. Values are nanoseconds; 0 .. 2^63-1.
class LatencyHistogram {
 public:
  void add(std::int64_t value) {
    const auto sample = static_cast<std::uint64_t>(value < 0 ? 0 : value);
    ++buckets_[index_of(sample)];
    ++count_;
    max_ = sample > max_ ? sample : max_;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }

  /// The upper edge of the bucket in which the sample of rank ceil(fraction * count) lies; 0 when
  /// there is none.
  std::uint64_t percentile(double fraction) const {
    const double wanted = fraction * static_cast<double>(count_);
    double seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += static_cast<double>(buckets_[i]);
      if (buckets_[i] != 0 && seen >= wanted) {
        const std::uint64_t edge = upper_edge(i);
        return edge < max_ ? edge : max_;
      }
    }
    return max_;
  }

 private:
  static constexpr unsigned kSubBits = 5;
  static constexpr std::uint64_t kSub = 1U << kSubBits;

  static std::size_t index_of(std::uint64_t value) {
    if (value < kSub) {
      return static_cast<std::size_t>(value);
    }
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    return static_cast<std::size_t>((shift + 1) * kSub + ((value >> shift) - kSub));
  }
  static std::uint64_t upper_edge(std::size_t index) {
    if (index < kSub) {
      return index;
    }
    const std::uint64_t shift = index / kSub - 1;
    return ((index % kSub + kSub + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - kSubBits + 1) * kSub> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace blk::accounting
