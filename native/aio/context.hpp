// AioContext: one event loop's worth of state. It owns an engine, timers, a ready queue and the
// inbox through which other threads reach it. It does not run itself: its home does, by calling
// turn(). Homes: Node's loop (binding/uv-home), a native thread (io-thread), or a test that moves a
// virtual clock (sim).
//
//   other threads --post()--> inbox --+
//   home thread  --schedule()--> ready +--> turn(): inbox, timers, ready, submit, reap, resume
//                     engine completions+
//
// Threads: post() from anywhere; everything else on the home thread only.
// Order: what one thread posts runs in that order; a turn takes the inbox before the ready queue.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "aio/clock.hpp"
#include "aio/engine.hpp"
#include "aio/inbox.hpp"
#include "aio/list.hpp"
#include "aio/runnable.hpp"
#include "aio/script-wait.hpp"
#include "aio/timer.hpp"

namespace blk::aio {

class AioContext {
 public:
  /// `clock` must outlive the context.
  AioContext(std::unique_ptr<Engine> engine, const Clock& clock);
  AioContext(const AioContext&) = delete;
  AioContext& operator=(const AioContext&) = delete;

  Engine& engine() { return *engine_; }
  const Engine& engine() const { return *engine_; }
  TimerQueue& timers() { return timers_; }
  const Clock& clock() const { return clock_; }

  /// The time of this batch: read once when a turn starts and once after each reap.
  Nanoseconds batch_time() const { return batch_time_; }
  /// Something is about to run outside of turns: a batch of its own.
  void begin_batch() { batch_time_is_old_ = true; }
  /// The time of this batch, wherever it runs: the clock is read when somebody asks first.
  Nanoseconds time_in_batch() {
    if (batch_time_is_old_) {
      read_clock();
    }
    return batch_time_;
  }

  /// Any thread. Runs `item` on the home thread, after everything this thread posted before.
  void post(Runnable* item);
  /// Runs `item` later in this turn, or in the next one when called outside a turn (then the home
  /// is woken).
  void schedule(Runnable* item);

  /// Runs whatever is ready, never waiting: inbox, due timers, ready queue, engine. Returns true
  /// when kMaxRounds did not suffice, so the home must call again before it sleeps: what is
  /// enqueued may not have been handed over yet, as what is ready comes before it. A turn answers
  /// every wake-up that came before or during it: whatever else a home goes by (a stop flag) must
  /// be looked at after the turn, like has_ready(), or a wake-up for it is slept through.
  bool turn(int rounds = kMaxRounds);
  /// So many items run before operations are handed over and results told: results of the first
  /// are on their way while later ones are under way.
  void set_round_limit(std::size_t items) { round_limit_ = items; }
  /// Does the one operation that is enqueued on the spot, if that takes no waiting, and tells of
  /// it. For a home that waits for it; turns do so anyway.
  bool try_now();
  /// Hands enqueued operations to the kernel or workers without running anything; while plugged
  /// only once there are many.
  void submit() {
    if (plugs_ == 0 || requests_in_flight() >= kPlugLimit) {
      release();
    }
  }

  // --- plugs (home thread): operations are held back to be handed over together
  // A plug lasts at most until its home would sleep: then all that is held goes, so nobody can wait
  // for what is never submitted (PLUG-3).
  void plug() { ++plugs_; }
  void unplug() {
    if (--plugs_ == 0) {
      release();
    }
  }
  /// Something was enqueued and not handed over because of a plug.
  bool holds_back() const {
    return plugs_ != 0 && requests_in_flight() < kPlugLimit && engine_->has_unsubmitted();
  }
  /// Hands over whatever is held.
  void release() { engine_->submit(); }

  /// Looks for work until `end`, without a system call; true when there is some. While it looks,
  /// whoever posts need not wake it. For a home that is a thread of its own.
  bool poll_until(Nanoseconds end);
  /// True when something is ready now, so that a home must not sleep.
  bool has_ready() const { return !ready_.empty() || !inbox_.empty(); }
  ScriptWaits& script_waits() { return script_waits_; }
  /// About to sleep: when nothing could wake JavaScript, which waits for this home, one of the
  /// waits in its way ends. True when there is something to run.
  bool break_deadlock();
  /// Teardown: whatever is not under way fails with ECANCELED, and owners of endless work see
  /// is_closing() and end it.
  void close() {
    closing_ = true;
    engine_->cancel_all();
  }
  bool is_closing() const { return closing_; }

  /// True when nothing is ready, sleeping or in flight.
  bool is_idle() const { return !has_ready() && timers_.empty() && engine_->in_flight() == 0; }
  /// Operations that end by themselves: those on sockets may wait for a peer for ever.
  std::size_t requests_in_flight() const {
    return engine_->in_flight() - engine_->sockets_in_flight();
  }
  /// When the next timer is due, or kNever.
  Nanoseconds next_deadline() const { return timers_.next_deadline(); }

 private:
  /// A request that goes from operation to operation (a split write, a read-modify-write) advances
  /// one operation a round; eight rounds keep such a chain from monopolising the loop.
  static constexpr int kMaxRounds = 8;

  /// So many in flight are handed over in spite of plugs (PLUG-4).
  static constexpr std::size_t kPlugLimit = 128;

  void read_clock() {
    batch_time_ = clock_.now();
    batch_time_is_old_ = false;
  }
  bool run_round();
  bool run_ready();
  void resume_done();

  std::unique_ptr<Engine> engine_;
  const Clock& clock_;
  Nanoseconds batch_time_ = 0;
  bool batch_time_is_old_ = false;
  TimerQueue timers_;
  Inbox inbox_;
  IntrusiveList<Runnable> ready_;
  IntrusiveList<IoOp> done_;
  ScriptWaits script_waits_;
  std::atomic<bool> polling_{false};
  std::size_t round_limit_ = SIZE_MAX;
  bool in_turn_ = false;
  bool closing_ = false;
  std::uint32_t plugs_ = 0;
};

/// `co_await Reschedule(context)`: continue from the ready queue instead of from here. A bottom
/// half: bounds recursion and lets the submitter return first.
class Reschedule : public Runnable {
 public:
  explicit Reschedule(AioContext& context) : context_(context) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    run = [](Runnable* self) { static_cast<Reschedule*>(self)->caller_.resume(); };
    context_.schedule(this);
  }
  void await_resume() const noexcept {}

 private:
  AioContext& context_;
  std::coroutine_handle<> caller_;
};

/// `co_await SleepUntil(context, deadline)`.
class SleepUntil : public Timer {
 public:
  SleepUntil(AioContext& context, Nanoseconds deadline)
      : Timer([](Runnable* self) { static_cast<SleepUntil*>(self)->caller_.resume(); }),
        context_(context),
        when_(deadline) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    context_.timers().arm(*this, when_);
  }
  void await_resume() const noexcept {}

 private:
  AioContext& context_;
  Nanoseconds when_;
  std::coroutine_handle<> caller_;
};

}  // namespace blk::aio
