// What IOThreads have for JavaScript: finished requests and news, one batch and one doorbell.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "aio/clock.hpp"
#include "aio/doorbell.hpp"
#include "aio/list.hpp"
#include "aio/poll-window.hpp"
#include "aio/runnable.hpp"
#include "block/node.hpp"

namespace blk::binding {

/// Any thread puts in; the JavaScript thread takes out.
class Outbox final : public block::GraphListener {
 public:
  int open() { return doorbell_.open(); }
  int fd() const { return doorbell_.fd(); }

  void put(aio::IntrusiveList<aio::Runnable>& finished) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      finished.splice_to(finished_);
      has_mail_.store(true);
    }
    ring();
  }
  /// Not while JavaScript looks by itself.
  void ring() {
    if (!watched_.load()) {
      doorbell_.ring();
    }
  }

  // block::GraphListener
  void on_idle() override {
    idle_.store(true);
    ring();
  }
  void on_resized(std::uint32_t node_id) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      news_.resized.push_back(node_id);
      has_mail_.store(true);
    }
    ring();
  }
  void on_parked(int change) override {
    parked_.fetch_add(change);
    doorbell_.ring();
  }
  void on_warning(std::uint32_t node_id, block::Warning what) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      news_.warnings.emplace_back(node_id, what);
      has_mail_.store(true);
    }
    ring();
  }

  void on_write_threshold(std::uint32_t node_id, std::uint64_t threshold,
                          std::uint64_t exceeded) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      news_.thresholds.push_back({node_id, threshold, exceeded});
      has_mail_.store(true);
    }
    ring();
  }

  /// A client of an NBD server waits for an answer.
  void ask() {
    asked_.store(true);
    ring();
  }

  /// What nodes have to say, in no particular order.
  struct ThresholdEvent {
    std::uint32_t node_id;
    std::uint64_t threshold;
    std::uint64_t exceeded;
  };
  struct News {
    std::vector<ThresholdEvent> thresholds;  // in order
    std::vector<std::uint32_t> resized;
    std::vector<std::pair<std::uint32_t, block::Warning>> warnings;
  };

  // JavaScript thread
  /// Looks until `end` whether there is something to tell. While it looks nobody rings for that.
  void watch_until(const aio::Clock& clock, aio::Nanoseconds end);
  /// Before looking: whatever is put in later rings again.
  void answer() { doorbell_.answer(true); }
  void take(aio::IntrusiveList<aio::Runnable>& finished, News& news) {
    if (!has_mail_.load()) {
      return;  // the usual case where no IOThread is used
    }
    std::lock_guard<std::mutex> lock(mutex_);
    has_mail_.store(false);
    finished_.splice_to(finished);
    news.resized.insert(news.resized.end(), news_.resized.begin(), news_.resized.end());
    news_.resized.clear();
    news.warnings.insert(news.warnings.end(), news_.warnings.begin(), news_.warnings.end());
    news_.warnings.clear();
    news.thresholds.insert(news.thresholds.end(), news_.thresholds.begin(), news_.thresholds.end());
    news_.thresholds.clear();
  }
  bool take_asked() { return asked_.exchange(false); }
  bool take_idle() { return idle_.exchange(false); }
  bool is_idle_untold() const { return idle_.load(); }
  int parked() const { return parked_.load(); }

  /// A message that may take requests out of their queue has been sent home (JavaScript thread).
  void release_sent() { releases_.fetch_add(1); }
  /// It has taken effect (home thread).
  void release_done() {
    releases_.fetch_sub(1);
    doorbell_.ring();
  }
  /// Some are still on their way: parked() is out of date.
  bool has_releases() const { return releases_.load() != 0; }

 private:
  aio::Doorbell doorbell_;
  std::mutex mutex_;
  aio::IntrusiveList<aio::Runnable> finished_;
  News news_;
  std::atomic<bool> has_mail_{false};
  std::atomic<bool> watched_{false};
  std::atomic<bool> idle_{false};
  std::atomic<bool> asked_{false};
  std::atomic<int> parked_{0};
  std::atomic<int> releases_{0};
};

// Whoever takes what is there after the flag is down misses nothing: what was put in before did not
// ring, and is found; what comes later rings.
inline void Outbox::watch_until(const aio::Clock& clock, aio::Nanoseconds end) {
  watched_.store(true);
  aio::look_until(clock, end, [this] { return has_mail_.load() || idle_.load() || asked_.load(); });
  watched_.store(false);
}

}  // namespace blk::binding
