#include "aio/threads-engine.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <new>

namespace blk::aio {

namespace {

timespec time_until(Nanoseconds deadline) {
  constexpr Nanoseconds kSecond = 1'000'000'000;
  const Nanoseconds left = std::max<Nanoseconds>(deadline - MonotonicClock().now(), 0);
  timespec time{};
  time.tv_sec = left / kSecond;
  time.tv_nsec = left % kSecond;
  return time;
}

}  // namespace

std::unique_ptr<ThreadsEngine> ThreadsEngine::create(int& error) {
  std::unique_ptr<ThreadsEngine> engine(new (std::nothrow) ThreadsEngine);
  error = engine != nullptr ? engine->doorbell_.open() : -ENOMEM;
  if (error != 0) {
    return nullptr;
  }
  return engine;
}

ThreadsEngine::~ThreadsEngine() = default;

void ThreadsEngine::enqueue(IoOp* op) {
  ++in_flight_;
  ++counters_.submitted[static_cast<std::size_t>(op->opcode)];
  queued_.push_back(op);
  if (cancelled_) {
    refuse_queued();
  }
}

void ThreadsEngine::submit() {
  counters_.worker_submissions += queued_.size();
  workers_.submit(queued_);
}

void ThreadsEngine::reap(IntrusiveList<IoOp>& done) {
  // Before collecting: what finishes from here on rings again.
  doorbell_.answer(true);
  if (in_flight_ == 0) {
    return;
  }
  const std::size_t before = done.size();
  refused_.splice_to(done);
  workers_.collect(done);
  in_flight_ -= done.size() - before;
}

void ThreadsEngine::wait(Nanoseconds deadline) {
  submit();
  pollfd poll{doorbell_.fd(), POLLIN, 0};
  if (deadline == kNever) {
    ::ppoll(&poll, 1, nullptr, nullptr);
    return;
  }
  const timespec timeout = time_until(deadline);
  ::ppoll(&poll, 1, &timeout, nullptr);
}

void ThreadsEngine::wake() { doorbell_.ring(); }

int ThreadsEngine::poll_fd() const { return doorbell_.fd(); }

void ThreadsEngine::cancel_all() {
  cancelled_ = true;
  refuse_queued();
  workers_.cancel_waiting();
}

bool ThreadsEngine::stop(Nanoseconds deadline) { return workers_.stop(deadline); }

void ThreadsEngine::refuse_queued() {
  while (IoOp* op = queued_.pop_front()) {
    op->result = -ECANCELED;
    refused_.push_back(op);
  }
  if (!refused_.empty()) {
    doorbell_.ring();
  }
}

}  // namespace blk::aio
