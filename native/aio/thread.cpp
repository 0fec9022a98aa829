#include "aio/thread.hpp"

#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <string>
#include <system_error>
#include <utility>

namespace blk::aio {

namespace {

static_assert(sizeof(std::atomic<int>) == sizeof(int), "a futex word is a plain int");

/// Signals of the process belong to Node's threads. A fault's own signal stays deliverable, for
/// whoever installed a crash handler.
sigset_t signals_to_block() {
  sigset_t set;
  sigfillset(&set);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&set, fault);
  }
  return set;
}

}  // namespace

int start_thread(std::thread& thread, const char* name, std::function<void()> function) {
  const sigset_t blocked = signals_to_block();
  sigset_t before;
  // A thread inherits the mask of its creator, so there is no moment in which it takes a signal.
  // On Linux sigprocmask() is pthread_sigmask(), under a symbol that every C library has.
  sigprocmask(SIG_SETMASK, &blocked, &before);
  int error = 0;
  try {
    thread = std::thread([name = std::string(name), run = std::move(function)] {
      prctl(PR_SET_NAME, name.c_str());
      run();
    });
  } catch (const std::system_error& refused) {
    error = -refused.code().value();
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return error;
}

void futex_wait(const std::atomic<int>& word, int expected, Nanoseconds deadline) {
  constexpr Nanoseconds kSecond = 1'000'000'000;
  timespec until{};
  until.tv_sec = deadline > 0 ? deadline / kSecond : 0;
  until.tv_nsec = deadline > 0 ? deadline % kSecond : 0;
  // The bitset form takes an absolute CLOCK_MONOTONIC time.
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
            deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(const std::atomic<int>& word, int count) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

// The count is read before the lock is released, so a notification in between makes the futex
// return at once. The mutex orders everything else.
void Condition::wait(std::unique_lock<std::mutex>& lock, Nanoseconds deadline) {
  const int seen = notifications_.load(std::memory_order_relaxed);
  lock.unlock();
  futex_wait(notifications_, seen, deadline);
  lock.lock();
}

void Condition::notify_one() {
  notifications_.fetch_add(1, std::memory_order_relaxed);
  futex_wake(notifications_, 1);
}

void Condition::notify_all() {
  notifications_.fetch_add(1, std::memory_order_relaxed);
  futex_wake(notifications_, INT_MAX);
}

}  // namespace blk::aio
