#include "aio/io-thread.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>
#include <utility>

#include "aio/thread.hpp"

namespace blk::aio {

namespace {

// NOLINTNEXTLINE(performance-enum-size): a futex word has 32 bits
enum State : int { kStarting, kRunning, kStopping, kEnded };

}  // namespace

std::unique_ptr<IoThread> IoThread::start(EngineChoice choice, std::string name,
                                          AfterTurn after_turn, void* owner, int& error) {
  std::unique_ptr<IoThread> thread(new (std::nothrow) IoThread);
  if (thread == nullptr) {
    error = -ENOMEM;
    return nullptr;
  }
  thread->choice_ = choice;
  thread->name_ = std::move(name);
  thread->after_turn_ = after_turn;
  thread->owner_ = owner;
  IoThread* self = thread.get();
  error = start_thread(self->thread_, self->name_.c_str(), [self] { self->main(); });
  if (error != 0) {
    return nullptr;
  }
  thread->wait_while(kStarting, kNever);
  if (thread->context_ != nullptr) {
    return thread;
  }
  thread->thread_.join();
  error = thread->error_;
  return nullptr;
}

IoThread::~IoThread() = default;

bool IoThread::stop(Nanoseconds deadline) {
  if (thread_.joinable()) {
    stop_deadline_.store(deadline, std::memory_order_relaxed);
    int running = kRunning;
    state_.compare_exchange_strong(running, kStopping, std::memory_order_acq_rel);
    context_->engine().wake();
    if (!wait_while(kStopping, deadline)) {
      return false;
    }
    thread_.join();
  }
  return stopped_;
}

void IoThread::main() {
  std::unique_ptr<Engine> engine = make_engine(choice_, RingHome::kOwnThread, report_, error_);
  if (engine == nullptr) {
    enter(kEnded);
    return;
  }
  context_ = std::make_unique<AioContext>(std::move(engine), clock_);
  context_->set_round_limit(kRoundLimit);
  enter(kRunning);
  while (state_.load(std::memory_order_acquire) == kRunning) {
    // The state again: the turn may have answered the very wake-up that came with stop().
    if (!turn() && state_.load(std::memory_order_acquire) == kRunning &&
        !context_->break_deadlock()) {
      wait();
    }
  }
  wind_down();
  enter(kEnded);
}

// True when there is more to do at once, so that the thread must not sleep.
bool IoThread::turn() {
  const bool more = context_->turn(1);
  if (after_turn_ != nullptr) {
    after_turn_(owner_);
  }
  return more || context_->has_ready();
}

void IoThread::wait() {
  const Nanoseconds began = clock_.now();
  const Nanoseconds deadline = context_->next_deadline();
  const Nanoseconds window = poll_window_.length();
  if (window == 0 || !context_->poll_until(std::min(began + window, deadline))) {
    context_->engine().wait(deadline);
  }
  poll_window_.learn(clock_.now() - began);
}

// Cancelled operations are reaped and their coroutines resumed like any other, so that they clean
// up; what they start in turn is refused by the engine.
void IoThread::wind_down() {
  Engine& engine = context_->engine();
  const Nanoseconds deadline = stop_deadline_.load(std::memory_order_relaxed);
  context_->close();
  while (clock_.now() < deadline) {
    context_->timers().fire(kNever);  // whoever sleeps goes on, and finds the engine closed
    // What arrived during the turn may have armed timers, which nobody waits for any more.
    if (turn() || !context_->timers().empty()) {
      continue;
    }
    if (context_->is_idle()) {
      break;
    }
    engine.wait(deadline);
  }
  stopped_ = engine.stop(deadline);
}

void IoThread::enter(int state) {
  state_.store(state, std::memory_order_release);
  futex_wake(state_, INT_MAX);
}

// False when the state is still that one at `deadline`.
bool IoThread::wait_while(int state, Nanoseconds deadline) {
  while (state_.load(std::memory_order_acquire) == state) {
    if (deadline != kNever && clock_.now() >= deadline) {
      return false;
    }
    futex_wait(state_, state, deadline);
  }
  return true;
}

}  // namespace blk::aio
