// The few things about threads that the standard library cannot do here: report failure instead of
// throwing, keep Node's signals off our threads, and wait with a monotonic deadline.
//
// Only symbols that old C libraries have are used. Built against glibc 2.34 or newer,
// pthread_create and pthread_cond_clockwait (behind std::condition_variable::wait_until) bind to
// that version, and std::condition_variable::wait to GLIBCXX_3.4.30; Debian 11 has neither.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "aio/clock.hpp"

namespace blk::aio {

/// Starts a thread that blocks every signal but those a fault raises. `name`: the kernel keeps the
/// first 15 characters. 0 or a negative errno.
int start_thread(std::thread& thread, const char* name, std::function<void()> function);

/// Sleeps while `word` is `expected`, until `deadline` (monotonic; kNever: no limit). Returns early
/// for no reason at times, so callers loop.
void futex_wait(const std::atomic<int>& word, int expected, Nanoseconds deadline);
void futex_wake(const std::atomic<int>& word, int count);

/// A condition variable whose waits end at a time of the monotonic clock.
class Condition {
 public:
  /// Releases the lock while it sleeps. May return early for no reason, so callers loop.
  void wait(std::unique_lock<std::mutex>& lock, Nanoseconds deadline);
  /// Call these after what the waiters look at was changed under their mutex.
  void notify_one();
  void notify_all();

 private:
  std::atomic<int> notifications_{0};
};

}  // namespace blk::aio
