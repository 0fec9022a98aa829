// BlockBackend as requests see it: the object that a device model, an export or a job holds.
//
//   submit --> quiesced? park --> range and medium check --> (throttle) --> FUA --> root node
//
// Threads: submit(), cancel(), the setters and quiesce on the home thread of the context (other
// threads go through AioContext::post, so order of calls is order of effect). Counters are atomic.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "aio/context.hpp"
#include "aio/list.hpp"
#include "aio/task.hpp"
#include "block/node.hpp"
#include "block/request.hpp"

namespace blk::block {

/// Switches that lib/ sets and requests read (design.md, "Who owns what").
/// Written on the home thread, in order with requests; read from anywhere.
struct BackendFlags {
  std::atomic<bool> tray_open{false};
  std::atomic<bool> write_cache{true};  // false adds FUA to every write and zero-write (FUA-1)
  std::atomic<bool> allow_write_beyond_end{false};
  std::atomic<bool> disable_queueing{false};  // requests run although quiesced (DRAIN-25)
};

class Backend {
 public:
  Backend(aio::AioContext& context, GraphListener& listener)
      : context_(&context), listener_(listener) {}
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  aio::AioContext& context() const { return *context_; }
  /// Only while quiesced with nothing in flight.
  void move_to(aio::AioContext& context) { context_ = &context; }

  /// The root edge. Its node changes only while quiesced with nothing in flight.
  Edge& root() { return root_; }
  BackendFlags& flags() { return flags_; }

  /// Runs or parks the request. The submitter has counted it (count()); parking lowers the count
  /// and resuming raises it. `done` is called when it finished, possibly before submit() returns.
  void submit(Request* request);
  /// The first parked request for which `match` holds leaves the queue and completes with
  /// ECANCELED; true when there was one. Requests that already run are not affected.
  template <typename Predicate>
  bool cancel_parked(Predicate match) {
    aio::Runnable* found = parked_.remove_if(
        [&match](aio::Runnable& item) { return match(static_cast<Request&>(item)); });
    if (found == nullptr) {
      return false;
    }
    auto* request = static_cast<Request*>(found);
    unpark(request);
    finish(request, Status(-ECANCELED));
    return true;
  }
  /// Every parked request completes with `error`.
  void abort_parked(int error);

  /// The drainer's thread: whether a request submitted now would be parked.
  bool would_park(Operation operation) const;
  /// Home thread: the same, for a request that has arrived.
  bool must_park(const Request& request) const;

  // In-flight: from submission until the owner has been told and says so. Any thread; sequentially
  // consistent for the same reason as in Node.
  void count(std::uint32_t requests = 1) { in_flight_.fetch_add(requests); }
  void uncount(std::uint32_t requests = 1);
  std::uint32_t in_flight() const { return in_flight_.load(); }
  std::uint32_t parked() const { return parked_count_.load(); }

  /// The drainer's thread, before it sends quiesce_begin() home: from now on reaching zero
  /// in-flight is reported. Without it a request that finishes before the home saw the begin would
  /// leave the drain waiting for ever.
  void announce_begin() { announced_.fetch_add(1); }
  void announce_end() { announced_.fetch_sub(1); }
  /// Sections begun and not ended, as the drainer's thread has asked for.
  std::uint32_t quiesce_count() const { return announced_.load(); }

  /// Home thread, in FIFO order with the requests.
  void quiesce_begin() { ++quiesce_; }
  /// The last end starts the parked requests, in order, before it returns (DRAIN-23).
  void quiesce_end();

  bool is_available() const {
    return root_.node != nullptr && !flags_.tray_open && root_.node->is_inserted();
  }

 private:
  void park(Request* request);
  void unpark(Request* request);
  void start(Request* request);
  /// For nodes whose length must be asked for (variable-length devices).
  aio::Detached ask_length_then_start(Request* request);
  void start_checked(Request* request, std::int64_t length);
  Status check(const Request& request, std::int64_t length) const;
  aio::Task<Status> issue(Request& request);
  aio::Task<Status> issue_truncate(Request& request);
  aio::Detached finish_later(Request* request, aio::Task<Status> io);
  aio::Detached finish_value_later(Request* request, aio::Task<std::int64_t> io);
  static void finish(Request* request, const Status& status);
  static void finish_value(Request* request, std::int64_t value);

  aio::AioContext* context_;
  GraphListener& listener_;
  Edge root_;
  BackendFlags flags_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint32_t> announced_{0};
  std::atomic<std::uint32_t> parked_count_{0};
  std::uint32_t quiesce_ = 0;
  aio::IntrusiveList<aio::Runnable> parked_;
};

}  // namespace blk::block
