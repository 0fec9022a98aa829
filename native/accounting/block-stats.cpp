#include "accounting/block-stats.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blk::accounting {

void BlockStats::set_up(std::optional<bool> account_invalid, std::optional<bool> account_failed) {
  account_invalid_.store(account_invalid.value_or(accounts_invalid()), std::memory_order_relaxed);
  account_failed_.store(account_failed.value_or(accounts_failed()), std::memory_order_relaxed);
}

void BlockStats::add_interval(aio::Nanoseconds length, aio::Nanoseconds now) {
  intervals_.emplace_back(length, now);
  has_details_ = true;
}

int BlockStats::set_histogram(AccountType type, std::vector<std::int64_t> bounds) {
  if (!is_timed(type) || (!bounds.empty() && !LatencyBins::are_bounds(bounds))) {
    return -EINVAL;
  }
  histograms_[index_of(type)].set_bounds(std::move(bounds));
  has_details_ = true;
  return 0;
}

void BlockStats::done_in_detail(AccountType type, std::int64_t bytes, aio::Nanoseconds latency,
                                aio::Nanoseconds now) {
  const Versioned::Update update(version_);
  add_done(type, bytes, latency, now);
  account_lately(type, latency, now);
  account_histogram(type, latency);
}

void BlockStats::failed(Cookie& cookie, aio::Nanoseconds now) {
  const AccountType type = std::exchange(cookie.type, AccountType::kNone);
  if (type == AccountType::kNone) {
    return;
  }
  const aio::Nanoseconds end = std::max(cookie.start, now);
  Versioned::Update update(version_);
  Counters& counters = counters_[index_of(type)];
  counters.failed.add(1);
  if (accounts_failed()) {
    account_time(counters, end - cookie.start, end);
    account_lately(type, end - cookie.start, end);
  }
  account_histogram(type, end - cookie.start);
}

void BlockStats::invalid(AccountType type, aio::Nanoseconds now) {
  if (type == AccountType::kNone) {
    return;
  }
  Versioned::Update update(version_);
  counters_[index_of(type)].invalid.add(1);
  if (accounts_invalid()) {
    last_access_.set(now);
  }
}

void BlockStats::merged(AccountType type, std::int64_t requests) {
  if (type == AccountType::kNone) {
    return;
  }
  Versioned::Update update(version_);
  counters_[index_of(type)].merged.add(requests);
}

void BlockStats::account_lately(AccountType type, aio::Nanoseconds latency, aio::Nanoseconds now) {
  if (!is_timed(type)) {
    return;
  }
  for (Interval& interval : intervals_) {
    interval.latency[index_of(type)].account(latency, now);
  }
}

void BlockStats::account_histogram(AccountType type, aio::Nanoseconds latency) {
  if (is_timed(type)) {
    histograms_[index_of(type)].account(latency);
  }
}

StatsSnapshot BlockStats::snapshot() const {
  return version_.read(
      [this] { return StatsSnapshot{counters_, intervals_, histograms_, last_access_.get()}; });
}

}  // namespace blk::accounting
