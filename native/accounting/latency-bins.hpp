// Latencies counted in bins whose bounds a user sets (block-latency-histogram-set). The percentiles
// of `blk bench` come from LatencyHistogram, whose buckets are fixed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "accounting/cell.hpp"

namespace blk::accounting {

/// n bounds make n + 1 bins: [0, b0), [b0, b1) ... [bn-1, infinity).
class LatencyBins {
 public:
  /// Strictly ascending and positive, at least one.
  static bool are_bounds(std::span<const std::int64_t> bounds);

  /// Empties all bins. `bounds` must be bounds, or none: then nothing is counted any more.
  void set_bounds(std::vector<std::int64_t> bounds);
  bool is_enabled() const { return !bins_.empty(); }
  void account(std::int64_t latency);

  const std::vector<std::int64_t>& bounds() const { return bounds_; }
  const std::vector<Cell>& bins() const { return bins_; }
  /// Of all that was counted, in ns.
  std::int64_t sum() const { return sum_.get(); }

 private:
  std::vector<std::int64_t> bounds_;
  std::vector<Cell> bins_;
  Cell sum_;
};

}  // namespace blk::accounting
