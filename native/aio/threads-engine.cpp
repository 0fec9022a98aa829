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
  if (error == 0) {
    error = engine->sockets_.open(engine->doorbell_.fd());
  }
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
  queued_sockets_ += is_socket_op(op->opcode) ? 1 : 0;
  if (cancelled_) {
    refuse_queued();
  }
}

void ThreadsEngine::submit() {
  if (queued_sockets_ != 0) {
    start_sockets();
  }
  counters_.worker_submissions += queued_.size();
  workers_.submit(queued_);
}

// What is done at once must not wait for the home to come round by itself.
void ThreadsEngine::start_sockets() {
  IntrusiveList<IoOp> blocking;
  bool finished = false;
  while (IoOp* op = queued_.pop_front()) {
    if (is_socket_op(op->opcode)) {
      finished |= sockets_.start(op);
    } else {
      blocking.push_back(op);
    }
  }
  queued_sockets_ = 0;
  blocking.splice_to(queued_);
  if (finished) {
    doorbell_.ring();
  }
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
  sockets_.collect(done);
  in_flight_ -= done.size() - before;
}

void ThreadsEngine::wait(Nanoseconds deadline) {
  submit();
  pollfd poll{poll_fd(), POLLIN, 0};
  if (deadline == kNever) {
    ::ppoll(&poll, 1, nullptr, nullptr);
    return;
  }
  const timespec timeout = time_until(deadline);
  ::ppoll(&poll, 1, &timeout, nullptr);
}

void ThreadsEngine::wake() { doorbell_.ring(); }

int ThreadsEngine::poll_fd() const { return sockets_.fd(); }

void ThreadsEngine::cancel(IoOp* op) {
  if (queued_.remove_if([op](const IoOp& other) { return &other == op; }) != nullptr) {
    --queued_sockets_;
    op->result = -ECANCELED;
    refused_.push_back(op);
    doorbell_.ring();
  } else if (sockets_.cancel(op)) {
    doorbell_.ring();
  }
}

void ThreadsEngine::cancel_all() {
  cancelled_ = true;
  refuse_queued();
  sockets_.cancel_all();
  doorbell_.ring();
  workers_.cancel_waiting();
}

bool ThreadsEngine::stop(Nanoseconds deadline) { return workers_.stop(deadline); }

void ThreadsEngine::refuse_queued() {
  while (IoOp* op = queued_.pop_front()) {
    op->result = -ECANCELED;
    refused_.push_back(op);
  }
  queued_sockets_ = 0;
  if (!refused_.empty()) {
    doorbell_.ring();
  }
}

}  // namespace blk::aio
