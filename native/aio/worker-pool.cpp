#include "aio/worker-pool.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

#include "aio/thread.hpp"

namespace blk::aio {

namespace {

constexpr std::chrono::seconds kIdleTime{10};

using TimePoint = std::chrono::steady_clock::time_point;

/// steady_clock is CLOCK_MONOTONIC, so Nanoseconds are its ticks.
TimePoint time_point(Nanoseconds when) {
  return TimePoint(std::chrono::nanoseconds(std::max<Nanoseconds>(when, 0)));
}

std::int64_t transfer(const IoOp& op) {
  const int fd = op.file->fd.get();
  const bool reads = op.opcode == IoOpcode::kRead;
  if (op.iovcnt == 1) {
    return reads ? ::pread(fd, op.iov->iov_base, op.iov->iov_len, op.offset)
                 : ::pwrite(fd, op.iov->iov_base, op.iov->iov_len, op.offset);
  }
  const int count = static_cast<int>(std::min<std::uint32_t>(op.iovcnt, IOV_MAX));
  return reads ? ::preadv(fd, op.iov, count, op.offset) : ::pwritev(fd, op.iov, count, op.offset);
}

std::int64_t system_call(const IoOp& op) {
  return op.opcode == IoOpcode::kFdatasync ? ::fdatasync(op.file->fd.get()) : transfer(op);
}

}  // namespace

std::int64_t execute_blocking(const IoOp& op) {
  if (op.opcode == IoOpcode::kCall) {
    return op.call(op.argument);
  }
  std::int64_t result = 0;
  do {
    result = system_call(op);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

WorkerPool::WorkerPool(Doorbell& doorbell, std::size_t limit)
    : doorbell_(doorbell), limit_(std::max<std::size_t>(limit, 1)) {}

WorkerPool::~WorkerPool() { stop(kNever); }

void WorkerPool::submit(IntrusiveList<IoOp>& batch) {
  if (batch.empty()) {
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  batch.splice_to(waiting_);
  if (stopping_) {
    finish_waiting(lock, -ECANCELED);
    return;
  }
  call_for_help(lock);
}

void WorkerPool::collect(IntrusiveList<IoOp>& done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  finished_.splice_to(done);
}

void WorkerPool::cancel_waiting() {
  std::unique_lock<std::mutex> lock(mutex_);
  finish_waiting(lock, -ECANCELED);
}

bool WorkerPool::stop(Nanoseconds deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  stopping_ = true;
  finish_waiting(lock, -ECANCELED);
  wake_.notify_all();
  lock.lock();
  const bool ended =
      stopped_.wait_until(lock, time_point(deadline), [this] { return threads_ == 0; });
  if (ended && retired_.has_value()) {
    const pthread_t last = *std::exchange(retired_, std::nullopt);
    lock.unlock();
    pthread_join(last, nullptr);
  }
  return ended;
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return threads_;
}

void* WorkerPool::thread_main(void* pool) {
  name_this_thread("blk-worker");
  static_cast<WorkerPool*>(pool)->work();
  return nullptr;
}

void WorkerPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  IoOp* op = nullptr;
  while (next(lock, op)) {
    call_for_help(lock);
    op->result = execute_blocking(*op);
    lock.lock();
    finished_.push_back(op);
    ++idle_;
    lock.unlock();
    // Not under the lock: the home wakes up and wants it at once.
    doorbell_.ring();
    lock.lock();
  }
  leave(lock);
}

// Waits for an operation; false when this thread should end. A thread counts as idle from its
// creation until it takes an operation.
bool WorkerPool::next(std::unique_lock<std::mutex>& lock, IoOp*& op) {
  auto idle_until = std::chrono::steady_clock::now() + kIdleTime;
  while (waiting_.empty()) {
    if (stopping_) {
      return false;
    }
    const bool last = threads_ == 1;
    // Not wait(): that symbol of GCC 12's library is newer than what the oldest supported
    // distribution has. A wait until the end of time is the same.
    const auto status = wake_.wait_until(lock, last ? time_point(kNever) : idle_until);
    if (status == std::cv_status::timeout && waiting_.empty() && threads_ > 1) {
      return false;
    }
  }
  op = waiting_.pop_front();
  --idle_;
  return true;
}

// Releases the lock. While work waits, gets one more thread going. Each thread that takes an
// operation calls for the next one, so the home pays for at most one wake-up or one thread start a
// batch, and quick operations do not start threads that find nothing left to do.
void WorkerPool::call_for_help(std::unique_lock<std::mutex>& lock) {
  if (waiting_.empty() || (idle_ == 0 && threads_ == limit_)) {
    lock.unlock();
    return;
  }
  if (idle_ == 0) {
    grow(lock);
    return;
  }
  lock.unlock();
  wake_.notify_one();
}

// Releases the lock: starting a thread takes a while.
void WorkerPool::grow(std::unique_lock<std::mutex>& lock) {
  ++threads_;
  ++idle_;
  lock.unlock();
  pthread_t thread{};
  if (start_thread(thread, thread_main, this) == 0) {
    return;
  }
  lock.lock();
  --threads_;
  --idle_;
  if (threads_ == 0) {
    // With no thread at all nobody else would ever finish them.
    finish_waiting(lock, -EAGAIN);
    return;
  }
  lock.unlock();
}

// Every thread that ends joins the one that ended before it, and stop() joins the last: when it
// returns, no thread is left in the middle of its exit, and none has to be remembered by handle.
void WorkerPool::leave(std::unique_lock<std::mutex>& lock) {
  const std::optional<pthread_t> previous = std::exchange(retired_, pthread_self());
  --threads_;
  --idle_;
  if (threads_ == 0) {
    stopped_.notify_all();
  }
  lock.unlock();
  if (previous.has_value()) {
    pthread_join(*previous, nullptr);
  }
}

// Releases the lock.
void WorkerPool::finish_waiting(std::unique_lock<std::mutex>& lock, std::int64_t result) {
  if (waiting_.empty()) {
    lock.unlock();
    return;
  }
  while (IoOp* op = waiting_.pop_front()) {
    op->result = result;
    finished_.push_back(op);
  }
  lock.unlock();
  doorbell_.ring();
}

}  // namespace blk::aio
