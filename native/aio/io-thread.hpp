// IOThread: a native thread that is the home of one AioContext.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "aio/context.hpp"
#include "aio/poll-window.hpp"
#include "aio/probe.hpp"

namespace blk::aio {

/// Runs turns and sleeps in the engine in between, after it has looked for work for a while if that
/// paid lately; with nothing to do it never wakes up.
class IoThread {
 public:
  /// Called on the thread after every turn, before it may sleep: the owner hands over what the
  /// turn produced (one batch, not one call an item).
  using AfterTurn = void (*)(void*);

  /// Starts the thread and waits until its engine exists. Null when neither engine could be made;
  /// `error` then holds the negative errno. `after_turn` may be null.
  static std::unique_ptr<IoThread> start(EngineChoice choice, std::string name,
                                         AfterTurn after_turn, void* owner, int& error);
  ~IoThread();  // stop() must have returned true

  AioContext& context() { return *context_; }
  const EngineReport& report() const { return report_; }
  /// On the thread: how long it looks for work before it sleeps.
  PollWindow& poll_window() { return poll_window_; }

  /// Cancels what can be cancelled and joins; false when the thread is still busy at `deadline`
  /// (monotonic): the object must then be kept alive for ever.
  bool stop(Nanoseconds deadline);

 private:
  IoThread() = default;
  void main();
  bool turn();
  void wait();
  void wind_down();
  void enter(int state);
  bool wait_while(int state, Nanoseconds deadline);

  /// QEMU's default of poll-max-ns.
  static constexpr Nanoseconds kPollMost = 32'768;
  static constexpr std::size_t kRoundLimit = 8;

  std::unique_ptr<AioContext> context_;
  PollWindow poll_window_{kPollMost};
  EngineReport report_;
  MonotonicClock clock_;
  std::string name_;
  AfterTurn after_turn_ = nullptr;
  void* owner_ = nullptr;
  EngineChoice choice_ = EngineChoice::kAuto;
  int error_ = 0;         // why there is no engine; valid once ended
  bool stopped_ = false;  // the engine let go of all memory; valid once ended
  std::thread thread_;
  std::atomic<Nanoseconds> stop_deadline_{kNever};
  std::atomic<int> state_{0};  // futex word: 0 starting, 1 running, 2 stopping, 3 ended
};

}  // namespace blk::aio
