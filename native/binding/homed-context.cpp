#include "binding/homed-context.hpp"

#include <algorithm>
#include <cerrno>

namespace blk::binding {

int HomedContext::start_node(uv_loop_t* loop, aio::EngineChoice choice, UvHome::Wake wake,
                             void* owner) {
  int error = 0;
  auto engine = aio::make_engine(choice, aio::RingHome::kPolled, report_, error);
  if (engine == nullptr) {
    return error;
  }
  context_ = std::make_unique<aio::AioContext>(std::move(engine), clock_);
  uv_ = std::make_unique<UvHome>(*context_, wake, owner);
  return uv_->start(loop);
}

int HomedContext::start_thread(aio::EngineChoice choice, std::string name) {
  int error = 0;
  thread_ = aio::IoThread::start(choice, std::move(name), after_turn, this, error);
  if (thread_ == nullptr) {
    return error;
  }
  report_ = thread_->report();
  return 0;
}

int HomedContext::start_virtual(const aio::SimOptions& options) {
  auto engine = std::make_unique<aio::SimEngine>(options, virtual_clock_);
  sim_ = engine.get();
  report_.engine = "sim";
  report_.reason = "virtual time was asked for";
  context_ = std::make_unique<aio::AioContext>(std::move(engine), virtual_clock_);
  return 0;
}

// On the IOThread: hands over what its turn produced, in one batch.
void HomedContext::after_turn(void* self) {
  auto* context = static_cast<HomedContext*>(self);
  if (!context->finished_.empty()) {
    context->outbox_.put(context->finished_);
  }
}

void HomedContext::advance(aio::Nanoseconds duration) {
  const aio::Nanoseconds end = virtual_clock_.now() + duration;
  while (true) {
    while (context_->turn()) {
    }
    context_->release();
    const aio::Nanoseconds next = std::min(sim_->next_due(), context_->next_deadline());
    if (next > end) {
      break;
    }
    virtual_clock_.advance_to(next);
  }
  virtual_clock_.advance_to(end);
  while (context_->turn()) {
  }
}

void HomedContext::run_until(const bool& done) {
  if (!done) {
    context_->try_now();
  }
  while (!done) {
    const bool more = context_->turn();
    if (!done && !more && !context_->has_ready()) {
      context_->release();
      if (!context_->break_deadlock()) {
        context_->engine().wait(context_->next_deadline());
      }
    }
  }
}

bool HomedContext::stop(aio::Nanoseconds deadline) {
  if (thread_ != nullptr) {
    return thread_->stop(deadline);
  }
  aio::Engine& engine = context_->engine();
  aio::MonotonicClock monotonic;
  context_->close();
  while (!context_->is_idle() && monotonic.now() < deadline) {
    context_->timers().fire(aio::kNever);  // whoever sleeps goes on, and finds the engine closed
    // What arrived during the turn may have armed timers, which nobody waits for any more.
    if (!context_->turn() && context_->timers().empty() && !context_->is_idle()) {
      engine.wait(deadline);
    }
  }
  return engine.stop(deadline) && context_->is_idle();
}

}  // namespace blk::binding
