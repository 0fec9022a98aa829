// An AioContext together with the home that runs it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "aio/context.hpp"
#include "aio/io-thread.hpp"
#include "aio/probe.hpp"
#include "aio/sim-engine.hpp"
#include "aio/thread.hpp"
#include "binding/bound-request.hpp"
#include "binding/outbox.hpp"
#include "binding/uv-home.hpp"

namespace blk::binding {

enum class HomeKind : std::uint8_t { kNode = 0, kIoThread = 1, kVirtual = 2 };

/// Created and destroyed on the JavaScript thread.
class HomedContext {
 public:
  HomedContext(HomeKind kind, Outbox& outbox) : kind_(kind), outbox_(outbox) {}
  HomedContext(const HomedContext&) = delete;
  HomedContext& operator=(const HomedContext&) = delete;

  int start_node(uv_loop_t* loop, aio::EngineChoice choice, UvHome::Wake wake, void* owner);
  int start_thread(aio::EngineChoice choice, std::string name);
  int start_virtual(const aio::SimOptions& options);

  aio::AioContext& aio() { return thread_ != nullptr ? thread_->context() : *context_; }
  HomeKind kind() const { return kind_; }
  /// Its home is another thread than JavaScript's.
  bool is_remote() const { return kind_ == HomeKind::kIoThread; }
  Outbox& outbox() { return outbox_; }
  const aio::EngineReport& report() const { return report_; }
  UvHome* uv() { return uv_.get(); }
  aio::VirtualClock& virtual_clock() { return virtual_clock_; }

  /// Runs the item in the home: at once when that is this thread, else in posting order.
  void run(aio::Runnable* item) {
    if (is_remote()) {
      aio().post(item);
    } else {
      item->run(item);
    }
  }

  /// Runs `function` in the home and waits for it; for the rare call that wants a consistent look.
  template <typename Function>
  void run_and_wait(Function function);

  /// An IOThread's, in its home; null: other homes have none.
  aio::PollWindow* poll_window() { return thread_ != nullptr ? &thread_->poll_window() : nullptr; }

  /// Home thread: the request is done; JavaScript will be told with the rest of this turn.
  void finished(BoundRequest* request) { finished_.push_back(request); }
  /// JavaScript thread, node and virtual homes: what finished since the last call.
  /// Something to tell or to run that no descriptor will announce. A virtual home has none at all.
  bool has_work_ready() const {
    return !finished_.empty() || context_->has_ready() ||
           (sim_ != nullptr &&
            (sim_->has_unsubmitted() || sim_->next_due() <= virtual_clock_.now()));
  }
  void take_finished(aio::IntrusiveList<aio::Runnable>& out) { finished_.splice_to(out); }

  /// Virtual home: moves the clock step by step through everything that becomes due.
  void advance(aio::Nanoseconds duration);
  /// Waits on this thread until `done`, running the context (its home is this thread) or sleeping.
  void run_until(const bool& done);

  /// Cancels and stops; false when the kernel or a worker still holds memory at `deadline`: the
  /// object must then be kept for ever.
  bool stop(aio::Nanoseconds deadline);

  std::atomic<int> users{0};  // nodes and backends that live here

 private:
  static void after_turn(void* self);

  const HomeKind kind_;
  Outbox& outbox_;
  aio::MonotonicClock clock_;
  aio::VirtualClock virtual_clock_;
  aio::EngineReport report_;
  std::unique_ptr<aio::AioContext> context_;  // node and virtual homes
  std::unique_ptr<aio::IoThread> thread_;
  std::unique_ptr<UvHome> uv_;
  aio::SimEngine* sim_ = nullptr;
  aio::IntrusiveList<aio::Runnable> finished_;
};

/// Runs `function` in the context's home, in order with the requests.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks): the analyzer does not see who frees it
template <typename Callable>
void post_call(HomedContext& home, Callable function) {
  struct Call : aio::Runnable {
    explicit Call(Callable what) : function(std::move(what)) {
      run = [](aio::Runnable* self) {
        std::unique_ptr<Call> call(static_cast<Call*>(self));
        call->function();
      };
    }
    Callable function;
  };
  Call* call = std::make_unique<Call>(std::move(function)).release();
  home.run(call);  // frees itself when it ran
}

// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)

/// The same for what may take requests out of their queue. Until it has run nobody can tell how
/// many are still parked, so the loop must not end for want of others.
template <typename Callable>
void post_release(HomedContext& home, Callable function) {
  if (!home.is_remote()) {
    function();
    return;
  }
  home.outbox().release_sent();
  post_call(home, [function = std::move(function), &outbox = home.outbox()] {
    function();
    outbox.release_done();
  });
}

template <typename Callable>
void HomedContext::run_and_wait(Callable function) {
  if (!is_remote()) {
    function();
    return;
  }
  // Shared: the home still touches the word when this thread has already gone on.
  auto done = std::make_shared<std::atomic<int>>(0);
  post_call(*this, [&function, done] {
    function();
    done->store(1, std::memory_order_release);
    aio::futex_wake(*done, 1);
  });
  while (done->load(std::memory_order_acquire) == 0) {
    aio::futex_wait(*done, 0, aio::kNever);
  }
}

}  // namespace blk::binding
