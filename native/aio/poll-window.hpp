// How long a thread looks for work before it sleeps, as long as that has paid lately.
#pragma once

#include <algorithm>

#include "aio/clock.hpp"

namespace blk::aio {

/// To sleep and be woken takes both threads several microseconds. When what a thread waits for came
/// soon the last times, it looks for a while; when it did not, not at all. The growth is that of
/// QEMU's poll-max-ns, poll-grow and poll-shrink. One thread.
class PollWindow {
 public:
  /// At most so long; 0: never.
  explicit PollWindow(Nanoseconds most) : most_(most) {}

  Nanoseconds most() const { return most_; }
  void set_most(Nanoseconds most) {
    most_ = most;
    length_ = std::min(length_, most);
  }
  Nanoseconds length() const { return length_; }

  /// It took so long until there was work, looked for or slept through.
  void learn(Nanoseconds waited) {
    if (waited > most_ + kWakeUp) {
      length_ = 0;
    } else if (waited > length_) {
      length_ = std::min(length_ == 0 ? kFirst : length_ * 2, most_);
    }
  }

 private:
  static constexpr Nanoseconds kFirst = 4'000;
  /// What was slept through came earlier by so much, on a machine with virtual processors.
  static constexpr Nanoseconds kWakeUp = 60'000;

  Nanoseconds most_;
  Nanoseconds length_ = 0;
};

/// Between two looks.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Looks, without a system call, until `is_there` or the time is `end`; whether it was there.
template <typename Predicate>
bool look_until(const Clock& clock, Nanoseconds end, Predicate is_there) {
  constexpr int kLooks = 16;  // between two readings of the clock
  bool found = is_there();
  while (!found && clock.now() < end) {
    for (int looks = 0; looks < kLooks && !found; ++looks) {
      relax();
      found = is_there();
    }
  }
  return found;
}

}  // namespace blk::aio
