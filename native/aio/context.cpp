#include "aio/context.hpp"

#include <algorithm>
#include <utility>

#include "aio/poll-window.hpp"

namespace blk::aio {

AioContext::AioContext(std::unique_ptr<Engine> engine, const Clock& clock)
    : engine_(std::move(engine)), clock_(clock), batch_time_(clock.now()) {}

void AioContext::post(Runnable* item) {
  // Only the first of a batch wakes the home: it takes all there is, and a later item finds the
  // inbox either still full (that wake-up is under way) or empty.
  if (inbox_.push(item) && !polling_.load()) {
    engine_->wake();
  }
}

void AioContext::schedule(Runnable* item) {
  const bool first = ready_.empty();
  ready_.push_back(item);
  if (first && !in_turn_) {
    engine_->wake();
  }
}

bool AioContext::turn(int rounds_allowed) {
  const bool nested = std::exchange(in_turn_, true);
  read_clock();
  int rounds = 0;
  while (rounds < rounds_allowed && run_round()) {
    ++rounds;
  }
  // What the last round resumed may have queued more operations. They must not wait for a turn that
  // nothing would cause. There is one when something is ready or was done on the spot, as the last
  // round was not idle then: what is ready comes first, as somebody may wait for its answer.
  if (!has_ready() && !try_now()) {
    submit();
  }
  in_turn_ = nested;
  return rounds == rounds_allowed;
}

bool AioContext::run_round() {
  inbox_.take(ready_);
  bool busy = timers_.fire(batch_time_) > 0;
  busy |= run_ready();
  busy |= try_now();
  submit();
  engine_->reap(done_);
  if (!done_.empty()) {
    read_clock();
    busy = true;
  }
  resume_done();
  return busy || has_ready();
}

bool AioContext::try_now() {
  IoOp* op = plugs_ == 0 ? engine_->try_now() : nullptr;
  if (op == nullptr) {
    return false;
  }
  read_clock();
  op->done(op);
  return true;
}

// Runs what is ready now. What that schedules waits for the next round, so that the engine gets
// its turn in between.
bool AioContext::run_ready() {
  const std::size_t count = std::min(ready_.size(), round_limit_);
  for (std::size_t left = count; left > 0; --left) {
    Runnable* item = ready_.pop_front();
    if (item == nullptr) {
      break;
    }
    item->run(item);
  }
  return count > 0;
}

// Each operation lives in the frame that its end resumes, so it is unlinked first.
void AioContext::resume_done() {
  while (IoOp* op = done_.pop_front()) {
    op->done(op);
  }
}

bool AioContext::poll_until(Nanoseconds end) {
  if (!engine_->tells_news()) {
    return false;
  }
  const auto is_there = [this] { return has_ready() || engine_->has_news(); };
  polling_.store(true);
  const bool found = look_until(clock_, end, is_there);
  polling_.store(false);
  // Once more: what was posted before that did not ring.
  return found || is_there();
}

bool AioContext::break_deadlock() {
  // A peer's next message does not end what only JavaScript can.
  const bool stuck = !has_ready() && timers_.empty() && requests_in_flight() == 0;
  ScriptWait* wait = stuck ? script_waits_.take_youngest() : nullptr;
  if (wait != nullptr) {
    wait->give_up(wait);
  }
  return wait != nullptr;
}

}  // namespace blk::aio
