#include "accounting/block-stats.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <thread>

namespace {

using namespace blk::accounting;

std::vector<std::int64_t> bins_of(const BlockStats& stats, AccountType type) {
  std::vector<std::int64_t> values;
  const StatsSnapshot snapshot = stats.snapshot();
  for (const Cell& bin : snapshot.histograms[index_of(type)].bins()) {
    values.push_back(bin.get());
  }
  return values;
}

Counters counters_of(const BlockStats& stats, AccountType type) {
  return stats.snapshot().counters[index_of(type)];
}

}  // namespace

TEST_CASE("ACCT-2: a cookie is accounted once") {
  BlockStats stats;
  stats.add_interval(1'000'000'000, 0);
  Cookie cookie = BlockStats::start(AccountType::kRead, 4096, 100);
  stats.done(cookie, 350);
  stats.done(cookie, 500);
  stats.failed(cookie, 600);
  StatsSnapshot snapshot = stats.snapshot();
  const Counters& reads = snapshot.counters[index_of(AccountType::kRead)];
  CHECK(reads.operations.get() == 1);
  CHECK(reads.bytes.get() == 4096);
  CHECK(reads.total_time.get() == 250);
  CHECK(reads.failed.get() == 0);
  CHECK(snapshot.last_access == 350);
  CHECK(snapshot.intervals[0].latency[0].result(350).sum == 250);
}

TEST_CASE("ACCT-3: a failure counts, and its time only if failures are accounted") {
  for (const bool accounts : {true, false}) {
    BlockStats stats;
    stats.set_up(std::nullopt, accounts);
    Cookie cookie = BlockStats::start(AccountType::kWrite, 512, 0);
    stats.failed(cookie, 40);
    const Counters writes = counters_of(stats, AccountType::kWrite);
    CHECK(writes.failed.get() == 1);
    CHECK(writes.operations.get() == 0);
    CHECK(writes.bytes.get() == 0);
    CHECK(writes.total_time.get() == (accounts ? 40 : 0));
    CHECK(stats.snapshot().last_access == (accounts ? 40 : BlockStats::kNeverAccessed));
  }
}

TEST_CASE("ACCT-4: histograms count failures, accounted or not") {
  BlockStats stats;
  stats.set_up(std::nullopt, false);
  CHECK(stats.set_histogram(AccountType::kRead, {10, 100}) == 0);
  Cookie done = BlockStats::start(AccountType::kRead, 1, 0);
  Cookie failed = BlockStats::start(AccountType::kRead, 1, 0);
  stats.done(done, 5);
  stats.failed(failed, 50);
  CHECK(bins_of(stats, AccountType::kRead) == std::vector<std::int64_t>{1, 1, 0});
  CHECK(stats.snapshot().histograms[0].sum() == 55);
}

TEST_CASE("ACCT-5: an invalid request is an access without latency") {
  for (const bool accounts : {true, false}) {
    BlockStats stats;
    stats.set_up(accounts, std::nullopt);
    stats.invalid(AccountType::kRead, 70);
    CHECK(counters_of(stats, AccountType::kRead).invalid.get() == 1);
    CHECK(counters_of(stats, AccountType::kRead).total_time.get() == 0);
    CHECK(stats.snapshot().last_access == (accounts ? 70 : BlockStats::kNeverAccessed));
  }
}

TEST_CASE("ACCT-6: merging adds the requests that were saved") {
  BlockStats stats;
  stats.merged(AccountType::kWrite, 3);
  CHECK(counters_of(stats, AccountType::kWrite).merged.get() == 3);
  CHECK(counters_of(stats, AccountType::kWrite).operations.get() == 0);
}

TEST_CASE("ACCT-16: bins begin at their bound; other bounds than ascending ones change nothing") {
  BlockStats stats;
  CHECK(stats.set_histogram(AccountType::kFlush, {10, 50, 100}) == 0);
  for (const std::int64_t latency : {0, 9, 10, 49, 50, 99, 100, 5000}) {
    Cookie cookie = BlockStats::start(AccountType::kFlush, 0, 0);
    stats.done(cookie, latency);
  }
  const std::vector<std::int64_t> two{2, 2, 2, 2};
  CHECK(bins_of(stats, AccountType::kFlush) == two);
  for (const auto& bounds : std::vector<std::vector<std::int64_t>>{{0, 1}, {-1}, {5, 5}, {6, 5}}) {
    CHECK(stats.set_histogram(AccountType::kFlush, bounds) == -EINVAL);
    CHECK(bins_of(stats, AccountType::kFlush) == two);
  }
}

TEST_CASE("ACCT-24: a reader never sees half of an update") {
  BlockStats stats;
  stats.add_interval(1'000'000'000, 0);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::int64_t now = 0; !stop.load(); now += 3) {
      Cookie cookie = BlockStats::start(AccountType::kRead, 512, now);
      stats.done(cookie, now + 3);
    }
  });
  std::int64_t seen = 0;
  for (int read = 0; read < 20'000; ++read) {
    const Counters reads = counters_of(stats, AccountType::kRead);
    CHECK(reads.bytes.get() == reads.operations.get() * 512);
    CHECK(reads.total_time.get() == reads.operations.get() * 3);
    CHECK(reads.operations.get() >= seen);
    seen = reads.operations.get();
  }
  stop.store(true);
  writer.join();
}

TEST_CASE("ACCT-26: unmaps are counted and timed, but not in intervals or histograms") {
  BlockStats stats;
  stats.add_interval(1'000'000'000, 0);
  Cookie cookie = BlockStats::start(AccountType::kUnmap, 65536, 0);
  stats.done(cookie, 12);
  Cookie second = BlockStats::start(AccountType::kUnmap, 65536, 12);
  stats.failed(second, 20);
  stats.invalid(AccountType::kUnmap, 20);
  stats.merged(AccountType::kUnmap, 2);
  const Counters unmaps = counters_of(stats, AccountType::kUnmap);
  CHECK(unmaps.operations.get() == 1);
  CHECK(unmaps.bytes.get() == 65536);
  CHECK(unmaps.total_time.get() == 20);
  CHECK(unmaps.failed.get() == 1);
  CHECK(unmaps.invalid.get() == 1);
  CHECK(unmaps.merged.get() == 2);
  const StatsSnapshot snapshot = stats.snapshot();
  for (TimedAverage average : snapshot.intervals[0].latency) {
    CHECK(average.result(20).sum == 0);
  }
  CHECK(stats.set_histogram(AccountType::kUnmap, {10}) == -EINVAL);
}
