// Nanosecond timers of one context, in a binary heap ordered by (deadline, arming order).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aio/clock.hpp"
#include "aio/runnable.hpp"

namespace blk::aio {

class TimerQueue;

/// One timer. Owned by whoever waits; disarm (or destroy the owner) only in the context's home.
/// Fires once per arm(): its `run` is called from TimerQueue::fire().
class Timer : public Runnable {
 public:
  explicit Timer(Function function) : Runnable(function) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool armed() const { return position_ != kUnarmed; }
  Nanoseconds deadline() const { return deadline_; }

 private:
  friend class TimerQueue;
  static constexpr std::size_t kUnarmed = SIZE_MAX;

  Nanoseconds deadline_ = 0;
  std::uint64_t sequence_ = 0;
  std::size_t position_ = kUnarmed;
};

/// Home thread only. Arming, re-arming and disarming are O(log n).
class TimerQueue {
 public:
  /// Arms or re-arms. Timers with equal deadlines fire in arming order.
  void arm(Timer& timer, Nanoseconds deadline);
  void disarm(Timer& timer);

  /// kNever when no timer is armed.
  Nanoseconds next_deadline() const { return heap_.empty() ? kNever : heap_.front()->deadline_; }
  bool empty() const { return heap_.empty(); }

  /// Runs every timer due at `now`, including those armed meanwhile for `now` or earlier by timers
  /// that fire. Returns how many ran.
  std::size_t fire(Nanoseconds now);

 private:
  bool before(const Timer* a, const Timer* b) const;
  void place(Timer* timer, std::size_t position);
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);

  std::vector<Timer*> heap_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace blk::aio
