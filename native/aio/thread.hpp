// The few things about threads that the standard library cannot do here: report failure instead of
// throwing, keep Node's signals off our threads, and wait for a word with a deadline.
#pragma once

#include <pthread.h>

#include <atomic>

#include "aio/clock.hpp"

namespace blk::aio {

/// Starts a joinable thread that blocks every signal but those a fault raises. 0 or a negative
/// errno.
int start_thread(pthread_t& thread, void* (*function)(void*), void* argument);

/// Names the calling thread; the kernel keeps the first 15 characters.
void name_this_thread(const char* name);

/// Sleeps while `word` is `expected`, until `deadline` (monotonic; kNever: no limit). Returns early
/// for no reason at times, so callers loop.
void futex_wait(const std::atomic<int>& word, int expected, Nanoseconds deadline);
void futex_wake_all(const std::atomic<int>& word);

}  // namespace blk::aio
