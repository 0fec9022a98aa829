#include "aio/thread.hpp"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdio>

namespace blk::aio {

namespace {

static_assert(sizeof(std::atomic<int>) == sizeof(int), "a futex word is a plain int");

/// Signals of the process belong to Node's threads. A fault's own signal stays deliverable, for
/// whoever installed a crash handler.
sigset_t signals_to_block() {
  sigset_t set;
  sigfillset(&set);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&set, fault);
  }
  return set;
}

}  // namespace

int start_thread(pthread_t& thread, void* (*function)(void*), void* argument) {
  const sigset_t blocked = signals_to_block();
  sigset_t before;
  // A thread inherits the mask of its creator, so there is no moment in which it takes a signal.
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const int error = pthread_create(&thread, nullptr, function, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return -error;
}

void name_this_thread(const char* name) {
  char shortened[16];
  std::snprintf(shortened, sizeof(shortened), "%s", name);
  pthread_setname_np(pthread_self(), shortened);
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

void futex_wake_all(const std::atomic<int>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace blk::aio
