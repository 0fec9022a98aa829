// The two shared buffers through which requests and results cross the border, and the counting that
// goes with it.
//
//   lib/: descriptors --submit(), flush()--> ingest --> backend ... done --> collect --> lib/
//   settles
//                                            count                                    uncount
//                                            (batch)
//
// JavaScript thread only.
#pragma once

#include <napi.h>

#include <cstdint>
#include <vector>

#include "aio/clock.hpp"
#include "aio/list.hpp"
#include "aio/poll-window.hpp"
#include "aio/runnable.hpp"
#include "binding/bound-request.hpp"
#include "binding/outbox.hpp"
#include "binding/protocol.hpp"
#include "binding/request-pool.hpp"
#include "binding/submission-reader.hpp"

namespace blk::binding {

class Environment;
class HomedContext;
struct BoundBackend;

class RequestRing {
 public:
  explicit RequestRing(Environment& environment)
      : environment_(environment), reader_(environment) {}

  /// Makes the shared buffers and keeps `deliver`.
  Napi::Value open(Napi::Function deliver);
  bool is_open() const { return header_ != nullptr; }

  /// Hands over the descriptors and submits; delivers nothing.
  void submit();
  /// See NativeBinding.flush().
  std::uint32_t flush();
  /// See NativeBinding.runSync().
  double run_sync();
  /// Hands over descriptors, so that what the caller does next comes after them.
  void ingest();

  /// From the loop: collects, calls JavaScript, lets the loop sleep.
  void on_loop();
  /// A new turn of the loop: the inline budget starts again.
  void new_turn() {
    inline_flushes_ = 0;
    turn_start_ = 0;
  }

  /// A control request that will finish on `request->slot`.
  void add(BoundRequest* request);
  /// A control request that is done without having been home.
  void finish_here(BoundRequest* request) { finished_.push_back(request); }
  /// What was started outside flush() is told from the loop, which must stay awake for it.
  void kick();
  /// The parked request on this slot, if any, leaves its queue.
  void cancel(std::int32_t slot, std::int32_t generation);
  /// Some request in flight uses memory that JavaScript owns (a SharedArrayBuffer).
  bool uses_foreign_memory() const;

  /// Teardown: JavaScript is not called any more and nothing of it is referred to.
  void close();
  /// Teardown, after every context stopped: frees whatever is left without telling anybody.
  void drop_everything();

 private:
  static constexpr int kMaxInlineFlushes = 64;
  static constexpr aio::Nanoseconds kMaxInlineTime = 200'000;
  /// Twice what an IOThread takes for the first results of a batch. No more: whatever else
  /// JavaScript has to do waits meanwhile.
  static constexpr aio::Nanoseconds kPollMost = 32'768;

  void start(BoundRequest* request);
  aio::Nanoseconds batch_time();
  void free(BoundRequest* request);
  std::int64_t run_prepared(BoundRequest* request);

  bool is_over_budget();
  void watch_outbox();
  void learn_wait();
  void ring_if_waiting();
  void uncount_delivered();
  std::uint32_t collect();
  void write_events();
  void write_completion(BoundRequest* request);
  /// lib/ takes it with takeReport().
  void keep_report(BoundRequest* request);
  void append_entry(double result, std::int32_t slot, std::int32_t node);
  bool owes_completions() const;

  Environment& environment_;
  SubmissionReader reader_;
  Header* header_ = nullptr;
  Descriptor* descriptors_ = nullptr;
  CompletionEntry* completions_ = nullptr;
  std::uint32_t completion_count_ = 0;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers_;
  Napi::FunctionReference deliver_;

  aio::IntrusiveList<aio::Runnable> finished_;   // results known, not yet written
  aio::IntrusiveList<aio::Runnable> delivered_;  // written; counted until lib/ settled them
  Outbox::News news_;                            // not yet written
  BoundRequest* sync_request_ = nullptr;
  std::vector<BoundRequest*> by_slot_;
  std::size_t outstanding_ = 0;

  RequestPool pool_;

  /// Requests at homes on other threads, from their submission until lib/ settled them.
  std::size_t remote_ = 0;
  aio::MonotonicClock clock_;
  aio::PollWindow poll_window_{kPollMost};
  aio::Nanoseconds waits_since_ = 0;  // for mail of other threads; 0: it does not

  int inline_flushes_ = 0;
  aio::Nanoseconds turn_start_ = 0;
  aio::Nanoseconds batch_time_ = 0;  // of the batch being ingested; 0: not read
};

}  // namespace blk::binding
