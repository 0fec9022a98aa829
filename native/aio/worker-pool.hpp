// Threads for operations that block: everything in the threads engine, and what the kernel would
// punt to its own workers in the io_uring engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

#include "aio/doorbell.hpp"
#include "aio/engine.hpp"
#include "aio/list.hpp"
#include "aio/thread.hpp"
#include "aio/write-lines.hpp"

namespace blk::aio {

/// Runs IoOps on up to `limit` threads. Threads start when work waits and nobody is idle, and end
/// after 10 s without work, except the last one, which sleeps without a timeout: an idle context
/// causes no wake-ups. submit() and collect() on the home thread only.
class WorkerPool {
 public:
  static constexpr std::size_t kDefaultLimit = 64;  // as QEMU's thread pool

  /// `doorbell` is rung when operations finished; it must outlive the pool.
  explicit WorkerPool(Doorbell& doorbell, std::size_t limit = kDefaultLimit);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  /// Call only after stop() returned true; otherwise it waits for the threads without a limit.
  ~WorkerPool();

  /// Takes the whole batch under one lock. Operations start in order, but for buffered writes,
  /// which stand in line behind others of their file; they may finish in any.
  void submit(IntrusiveList<IoOp>& batch);
  /// Moves finished operations to `done`.
  void collect(IntrusiveList<IoOp>& done);

  /// Operations that no thread has taken yet finish with ECANCELED.
  void cancel_waiting();
  /// Cancels what waits, lets running operations end and joins the threads; false when some are
  /// still busy at `deadline` (monotonic): the pool must then be kept alive for ever.
  bool stop(Nanoseconds deadline);

  std::size_t threads() const;

 private:
  using Threads = std::list<std::thread>;

  void work(Threads::iterator self);
  bool next(std::unique_lock<std::mutex>& lock, IntrusiveList<IoOp>& batch);
  void perform(IntrusiveList<IoOp>& batch, IntrusiveList<IoOp>& done);
  void publish(IntrusiveList<IoOp>& done);
  bool may_end(Nanoseconds idle_until) const;
  void call_for_help(std::unique_lock<std::mutex>& lock);
  void grow(std::unique_lock<std::mutex>& lock);
  void leave(std::unique_lock<std::mutex>& lock, Threads::iterator self);
  void finish_waiting(std::unique_lock<std::mutex>& lock, std::int64_t result);

  Doorbell& doorbell_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  Condition wake_;     // workers wait here
  Condition stopped_;  // stop() waits here
  IntrusiveList<IoOp> waiting_;
  WriteLines lines_;
  IntrusiveList<IoOp> finished_;
  Threads threads_;       // started and not ended
  std::thread retired_;   // ended last, not joined yet
  std::size_t idle_ = 0;  // threads without an operation
  bool stopping_ = false;
};

/// Executes one operation with a blocking system call; the result as IoOp::result has it. EINTR is
/// retried. Shared by the worker pool and the sim engine.
std::int64_t execute_blocking(const IoOp& op);

}  // namespace blk::aio
