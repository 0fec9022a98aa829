#include "aio/worker-pool.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace blk::aio {

namespace {

constexpr Nanoseconds kIdleTime = 10'000'000'000;
/// How long the home may not hear of an operation that is done: some wake-ups of a thread.
constexpr Nanoseconds kPatience = 20'000;

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
  while (IoOp* op = batch.pop_front()) {
    if (lines_.admit(op)) {
      waiting_.push_back(op);
    }
  }
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
  while (!threads_.empty() && MonotonicClock().now() < deadline) {
    stopped_.wait(lock, deadline);
  }
  if (!threads_.empty()) {
    return false;
  }
  std::thread last = std::move(retired_);
  lock.unlock();
  if (last.joinable()) {
    last.join();
  }
  return true;
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return threads_.size();
}

void WorkerPool::work(Threads::iterator self) {
  std::unique_lock<std::mutex> lock(mutex_);
  IntrusiveList<IoOp> batch;
  IntrusiveList<IoOp> done;
  while (next(lock, batch)) {
    call_for_help(lock);
    File* file = WriteLines::file_of(*batch.front());
    perform(batch, done);
    lock.lock();
    // What follows in a line is for whoever comes first, so that no file keeps a thread from
    // others.
    if (IoOp* following = file != nullptr ? lines_.release(*file) : nullptr; following != nullptr) {
      waiting_.push_back(following);
    }
    done.splice_to(finished_);
    ++idle_;
    lock.unlock();
    // Not under the lock: the home wakes up and wants it at once.
    doorbell_.ring();
    lock.lock();
  }
  leave(lock, self);
}

// The home hears of those that are done while others of the batch take long. All that is left in
// `done` is told by the caller: the file of a batch may be closed once its last operation is.
void WorkerPool::perform(IntrusiveList<IoOp>& batch, IntrusiveList<IoOp>& done) {
  Nanoseconds told = 0;
  while (IoOp* op = batch.pop_front()) {
    if (!done.empty() && told == 0) {
      told = MonotonicClock().now();
    } else if (!done.empty() && MonotonicClock().now() - told > kPatience) {
      publish(done);
      told = 0;
    }
    op->result = execute_blocking(*op);
    done.push_back(op);
  }
}

void WorkerPool::publish(IntrusiveList<IoOp>& done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done.splice_to(finished_);
  }
  doorbell_.ring();
}

// Waits for operations; false when this thread should end. A thread counts as idle from its
// creation until it takes an operation.
bool WorkerPool::next(std::unique_lock<std::mutex>& lock, IntrusiveList<IoOp>& batch) {
  Nanoseconds idle_until = 0;
  while (waiting_.empty()) {
    idle_until = idle_until == 0 ? MonotonicClock().now() + kIdleTime : idle_until;
    if (may_end(idle_until)) {
      return false;
    }
    wake_.wait(lock, threads_.size() == 1 ? kNever : idle_until);
  }
  --idle_;
  WriteLines::take(waiting_.pop_front(), batch);
  return true;
}

// The last thread stays, and sleeps without a timeout: an idle context causes no wake-ups.
bool WorkerPool::may_end(Nanoseconds idle_until) const {
  return stopping_ || (threads_.size() > 1 && MonotonicClock().now() >= idle_until);
}

// Releases the lock. While work waits, gets one more thread going. Each thread that takes an
// operation calls for the next one, so the home pays for at most one wake-up or one thread start a
// batch, and quick operations do not start threads that find nothing left to do.
void WorkerPool::call_for_help(std::unique_lock<std::mutex>& lock) {
  if (waiting_.empty() || (idle_ == 0 && threads_.size() == limit_)) {
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

// Releases the lock, but only after the thread was started: it must find its own handle in place.
void WorkerPool::grow(std::unique_lock<std::mutex>& lock) {
  const auto self = threads_.emplace(threads_.end());
  if (start_thread(*self, "blk-worker", [this, self] { work(self); }) == 0) {
    ++idle_;
    lock.unlock();
    return;
  }
  threads_.erase(self);
  if (threads_.empty()) {
    // With no thread at all nobody else would ever finish them.
    finish_waiting(lock, -EAGAIN);
    return;
  }
  lock.unlock();
}

// Every thread that ends joins the one that ended before it, and stop() joins the last: when it
// returns, no thread is left in the middle of its exit.
void WorkerPool::leave(std::unique_lock<std::mutex>& lock, Threads::iterator self) {
  std::thread previous = std::exchange(retired_, std::move(*self));
  threads_.erase(self);
  --idle_;
  if (threads_.empty()) {
    stopped_.notify_all();
  }
  lock.unlock();
  if (previous.joinable()) {
    previous.join();
  }
}

// Releases the lock.
void WorkerPool::finish_waiting(std::unique_lock<std::mutex>& lock, std::int64_t result) {
  IntrusiveList<IoOp> dropped;
  lines_.drop(dropped);
  waiting_.for_each([this](IoOp& first) {
    if (File* file = WriteLines::file_of(first); file != nullptr) {
      lines_.release(*file);
    }
  });
  waiting_.splice_to(dropped);
  if (dropped.empty()) {
    lock.unlock();
    return;
  }
  dropped.for_each([result](IoOp& op) { op.result = result; });
  dropped.splice_to(finished_);
  lock.unlock();
  doorbell_.ring();
}

}  // namespace blk::aio
