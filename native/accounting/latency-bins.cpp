#include "accounting/latency-bins.hpp"

#include <algorithm>
#include <utility>

namespace blk::accounting {

bool LatencyBins::are_bounds(std::span<const std::int64_t> bounds) {
  return !bounds.empty() && bounds.front() > 0 &&
         std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end();
}

void LatencyBins::set_bounds(std::vector<std::int64_t> bounds) {
  bounds_ = std::move(bounds);
  bins_ = std::vector<Cell>(bounds_.empty() ? 0 : bounds_.size() + 1);
  sum_.set(0);
}

void LatencyBins::account(std::int64_t latency) {
  if (!is_enabled()) {
    return;
  }
  const auto bound = std::upper_bound(bounds_.begin(), bounds_.end(), latency);
  bins_[static_cast<std::size_t>(bound - bounds_.begin())].add(1);
  sum_.add(latency);
}

}  // namespace blk::accounting
