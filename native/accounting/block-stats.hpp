// What the users of a backend did with it (BlockAcctStats): counters, latencies lately, histograms.
//
//   start() -> cookie ... done(cookie) | failed(cookie)         one of them, once
//   invalid(type): refused before it started        merged(type, n): n requests saved by merging
//
// Threads: one thread changes it (the home of the backend's context), any may read the numbers.
// The lists (intervals, bounds) change on the home thread while the readers' thread waits for it.
// Time comes from the caller: nanoseconds of the context's clock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "accounting/cell.hpp"
#include "accounting/latency-bins.hpp"
#include "accounting/timed-average.hpp"
#include "aio/clock.hpp"

namespace blk::accounting {

enum class AccountType : std::uint8_t {  // lib/aio/protocol.ts mirrors the numbers
  kNone = 0,
  kRead = 1,
  kWrite = 2,
  kFlush = 3,
  kUnmap = 4,
};

inline constexpr std::size_t kCountedTypes = 4;  // without kNone
inline constexpr std::size_t kTimedTypes = 3;    // those with intervals and histograms: not kUnmap

constexpr std::size_t index_of(AccountType type) { return static_cast<std::size_t>(type) - 1; }
constexpr bool is_timed(AccountType type) {
  return type != AccountType::kNone && index_of(type) < kTimedTypes;
}

/// The type of a number from outside; kNone for one that is none.
constexpr AccountType account_type(std::int64_t number) {
  return number > 0 && number <= static_cast<std::int64_t>(kCountedTypes)
             ? static_cast<AccountType>(number)
             : AccountType::kNone;
}

/// A request that is being accounted (BlockAcctCookie). Its type becomes kNone when it is done.
struct Cookie {
  AccountType type = AccountType::kNone;
  std::int64_t bytes = 0;
  aio::Nanoseconds start = 0;
};

struct Counters {
  Cell bytes;
  Cell operations;
  Cell failed;
  Cell invalid;
  Cell merged;
  Cell total_time;  // ns
};

/// Latencies of each timed type lately.
struct Interval {
  Interval(aio::Nanoseconds requested, aio::Nanoseconds now)
      : length(requested),
        latency{TimedAverage(requested, now), TimedAverage(requested, now),
                TimedAverage(requested, now)} {}
  aio::Nanoseconds length;
  std::array<TimedAverage, kTimedTypes> latency;
};

/// A copy of all numbers at one moment.
struct StatsSnapshot {
  std::array<Counters, kCountedTypes> counters;
  std::vector<Interval> intervals;
  std::array<LatencyBins, kTimedTypes> histograms;
  std::int64_t last_access = 0;
};

class BlockStats {
 public:
  static constexpr std::int64_t kNeverAccessed = -1;

  BlockStats() = default;
  BlockStats(const BlockStats&) = delete;
  BlockStats& operator=(const BlockStats&) = delete;

  // --- what is counted; nothing: as it was (block_acct_setup)
  void set_up(std::optional<bool> account_invalid, std::optional<bool> account_failed);
  bool accounts_invalid() const { return account_invalid_.load(std::memory_order_relaxed); }
  bool accounts_failed() const { return account_failed_.load(std::memory_order_relaxed); }
  void add_interval(aio::Nanoseconds length, aio::Nanoseconds now);
  /// 0, or -EINVAL and nothing changes. No bounds: no histogram of that type any more.
  int set_histogram(AccountType type, std::vector<std::int64_t> bounds);

  // --- requests
  static Cookie start(AccountType type, std::int64_t bytes, aio::Nanoseconds now) {
    return {type, bytes, now};
  }
  void done(Cookie& cookie, aio::Nanoseconds now) {
    done(std::exchange(cookie.type, AccountType::kNone), cookie.bytes, cookie.start, now);
  }
  /// Without a cookie, for who knows that it is done once. A batch's time is read once, so a
  /// request can be done in the batch that started it, or even before: batches of two threads
  /// overlap.
  void done(AccountType type, std::int64_t bytes, aio::Nanoseconds start, aio::Nanoseconds now) {
    if (type == AccountType::kNone) {
      return;
    }
    const aio::Nanoseconds end = std::max(start, now);
    if (has_details_) {
      done_in_detail(type, bytes, end - start, end);
    } else {
      count_done(type, bytes, end - start, end);
    }
  }
  void failed(Cookie& cookie, aio::Nanoseconds now);
  void invalid(AccountType type, aio::Nanoseconds now);
  void merged(AccountType type, std::int64_t requests);

  /// Any thread, without disturbing the one that counts.
  StatsSnapshot snapshot() const;

 private:
  // Nearly all requests, so it calls nothing.
  void count_done(AccountType type, std::int64_t bytes, aio::Nanoseconds latency,
                  aio::Nanoseconds now) noexcept {
    const Versioned::Update update(version_);
    add_done(type, bytes, latency, now);
  }
  void add_done(AccountType type, std::int64_t bytes, aio::Nanoseconds latency,
                aio::Nanoseconds now) noexcept {
    Counters& counters = counters_[index_of(type)];
    counters.bytes.add(bytes);
    counters.operations.add(1);
    account_time(counters, latency, now);
  }
  void done_in_detail(AccountType type, std::int64_t bytes, aio::Nanoseconds latency,
                      aio::Nanoseconds now);
  // The parts of done() and failed() that are about time.
  void account_time(Counters& counters, aio::Nanoseconds latency, aio::Nanoseconds now) {
    counters.total_time.add(latency);
    last_access_.set(now);
  }
  void account_lately(AccountType type, aio::Nanoseconds latency, aio::Nanoseconds now);
  void account_histogram(AccountType type, aio::Nanoseconds latency);

  Versioned version_;
  std::array<Counters, kCountedTypes> counters_;
  std::vector<Interval> intervals_;
  std::array<LatencyBins, kTimedTypes> histograms_;
  /// Intervals or histograms were asked for, ever: most disks have neither.
  bool has_details_ = false;
  Cell last_access_{kNeverAccessed};
  std::atomic<bool> account_invalid_{true};
  std::atomic<bool> account_failed_{true};
};

}  // namespace blk::accounting
