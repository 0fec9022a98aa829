// BlockBackend as requests see it: the object that a device model, an export or a job holds.
//
//   submit --> quiesced? park --> range and medium check --> throttle --> FUA --> root node
//                                                                                    |
//   done <-- accounted, if the submitter asked for it <---------------------------- result
//
// Threads: submit(), cancel(), the setters and quiesce on the home thread of the context (other
// threads go through AioContext::post, so order of calls is order of effect). Counters are atomic.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "accounting/block-stats.hpp"
#include "aio/context.hpp"
#include "aio/list.hpp"
#include "aio/task.hpp"
#include "block/node.hpp"
#include "block/request.hpp"
#include "throttle/member.hpp"

namespace blk::block {

/// Switches that lib/ sets and requests read (design.md, "Who owns what").
/// Written on the home thread, in order with requests; read from anywhere.
struct BackendFlags {
  std::atomic<bool> tray_open{false};
  std::atomic<bool> write_cache{true};  // false adds FUA to every write and zero-write (FUA-1)
  std::atomic<bool> allow_write_beyond_end{false};
  std::atomic<bool> disable_queueing{false};  // requests run although quiesced (DRAIN-25)
};

/// Who sends a backend requests from its home, natively: an export. Called in that home, in order
/// with the requests; between drained_begin() and drained_end() it should start none.
class BackendOwner {
 public:
  virtual ~BackendOwner() = default;
  /// The first section begins. What keeps the owner busy still, it says with Backend::hold().
  virtual void drained_begin() = 0;
  /// The last section has ended, and what was parked runs again.
  virtual void drained_end() = 0;
  /// In a quiet section: the backend leaves its context, in the home of that ...
  virtual void leave_context() = 0;
  /// ... and has arrived in another, in the home of this.
  virtual void enter_context(aio::AioContext& context) = 0;
};

class Backend {
 public:
  Backend(aio::AioContext& context, GraphListener& listener)
      : context_(&context), listener_(listener), throttle_(context) {}
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  aio::AioContext& context() const { return *context_; }
  /// Only while quiesced with nothing in flight: the two halves of a move, each in the home that it
  /// is about.
  void leave_context() const {
    if (owner_ != nullptr) {
      owner_->leave_context();
    }
  }
  void move_to(aio::AioContext& context) {
    context_ = &context;
    throttle_.move_to(context);
    if (owner_ != nullptr) {
      owner_->enter_context(context);
    }
  }

  /// Home thread. Null: it has none any more. The owner outlives its being that.
  void set_owner(BackendOwner* owner);
  /// Home thread, in a drained section: the owner is busy, or is so no more. A section waits for
  /// it.
  void hold() { held_.fetch_add(1); }
  void release();

  /// Its place in a throttle group. Joins and leaves while quiesced with nothing in flight.
  throttle::Member& throttle() { return throttle_; }
  const throttle::Member& throttle() const { return throttle_; }

  /// Home thread or, while the home waits, its drainer's: what waits in the queue, in order.
  template <typename Visit>
  void for_each_parked(Visit visit) const {
    parked_.for_each([&visit](aio::Runnable& item) { visit(static_cast<Request&>(item)); });
  }

  /// The root edge. Its node changes only while quiesced with nothing in flight.
  Edge& root() { return root_; }
  /// Home thread. Plugs go along with the edge.
  void set_root(Edge edge);

  /// Home thread, in FIFO order with the requests; as many unplugs as plugs. (blk_io_plug)
  void plug();
  void unplug();
  BackendFlags& flags() { return flags_; }
  /// Home thread, except for snapshots. Requests with an accounting type are accounted by the
  /// backend; owners who merge or retry requests do it themselves.
  accounting::BlockStats& stats() { return stats_; }

  /// Runs or parks the request. The submitter has counted it (count()); parking lowers the count
  /// and resuming raises it. `done` is called when it finished, possibly before submit() returns.
  void submit(Request* request);
  /// Home thread: the same for a request of the home's own, which nobody has counted. In a drained
  /// section it never counts, so that nobody who looks finds the backend busy.
  void submit_from_home(Request* request);
  /// The first request that is parked or throttled and for which `match` holds leaves its queue,
  /// uncharged, and completes with ECANCELED; true when there was one. Requests that already run
  /// are not affected.
  template <typename Predicate>
  bool cancel_queued(Predicate match) {
    aio::Runnable* found = parked_.remove_if(
        [&match](aio::Runnable& item) { return match(static_cast<Request&>(item)); });
    if (found != nullptr) {
      auto* request = static_cast<Request*>(found);
      unpark(request);
      finish(request, Status(-ECANCELED));
      return true;
    }
    throttle::Waiter* waiter = throttle_.find_waiting(
        [&match](throttle::Waiter& item) { return match(static_cast<Request&>(item)); });
    if (waiter == nullptr) {
      return false;
    }
    throttle_.cancel(*waiter);
    finish(static_cast<Request*>(waiter), Status(-ECANCELED));
    return true;
  }
  /// Every parked request completes with `error`.
  void abort_parked(int error);
  /// Every throttled request completes with `error`, uncharged.
  void abort_throttled(int error);

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
  void announce_begin() {
    begins_.fetch_add(1);
    announced_.fetch_add(1);
  }
  void announce_end() { announced_.fetch_sub(1); }
  /// Home thread, after quiesce_begin(): what the home itself submits is held back from now on.
  void begin_arrived();
  /// Any thread: what a section waits for. Requests, begins on their way home, as native code there
  /// may submit more until they have arrived, and an owner who is busy. In this order, so that all
  /// are seen as of then.
  std::uint32_t busy() const {
    const std::uint32_t begins = begins_.load();
    const std::uint32_t held = held_.load();
    return begins + held + in_flight_.load();
  }
  /// Sections begun and not ended, as the drainer's thread has asked for.
  std::uint32_t quiesce_count() const { return announced_.load(); }

  /// Home thread, in FIFO order with the requests. Throttled requests run at once (DRAIN-19).
  void quiesce_begin();
  /// The last end starts the parked requests, in order, before it returns (DRAIN-23).
  void quiesce_end();

  bool is_available() const {
    return root_.node != nullptr && !flags_.tray_open && root_.node->is_inserted();
  }

 private:
  void park(Request* request, bool counted);
  void unpark(Request* request);
  void start(Request* request);
  /// For nodes whose length must be asked for (variable-length devices).
  aio::Detached ask_length_then_start(Request* request);
  void start_checked(Request* request, std::int64_t length);
  Status check(const Request& request, std::int64_t length) const;
  Status check_range(std::int64_t offset, std::int64_t bytes, std::int64_t length) const;
  aio::Task<Status> check_end(std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> copy_range(Request& request);
  // backend-answers.cpp
  aio::Task<std::int64_t> answer(Request& request);
  aio::Task<std::int64_t> save_vmstate(Request& request);
  aio::Task<std::int64_t> load_vmstate(Request& request);
  aio::Task<std::int64_t> probe_block_sizes(Request& request);
  aio::Task<std::int64_t> probe_geometry(Request& request);
  aio::Task<std::int64_t> sg_io(Request& request);
  aio::Task<std::int64_t> sectors(bool errors_are_none);
  static IoView view_of(const Request& request);
  void issue_admitted(Request* request);
  RequestFlags fua_of_now() const;
  /// False: coroutines must carry it.
  bool start_directly(Request& request);
  aio::Task<Status> issue(Request& request);
  aio::Task<Status> issue_truncate(Request& request);
  // backend-status.cpp
  aio::Detached answer_block_status(Request* request);
  aio::Detached finish_later(Request* request, aio::Task<Status> io);
  aio::Detached finish_value_later(Request* request, aio::Task<std::int64_t> io);
  static void finish(Request* request, const Status& status);
  /// The check refused it, so it never started.
  void account_refusal(Request& request, const Status& status, std::int64_t length);
  void account(Request& request);
  static void finish_value(Request* request, std::int64_t value);

  aio::AioContext* context_;
  GraphListener& listener_;
  Edge root_;
  BackendFlags flags_;
  accounting::BlockStats stats_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint32_t> announced_{0};
  std::atomic<std::uint32_t> begins_{0};  // sent home and not arrived yet
  std::atomic<std::uint32_t> held_{0};
  BackendOwner* owner_ = nullptr;
  std::atomic<std::uint32_t> parked_count_{0};
  std::uint32_t quiesce_ = 0;
  std::uint32_t plugs_ = 0;
  aio::IntrusiveList<aio::Runnable> parked_;
  throttle::Member throttle_;
};

}  // namespace blk::block
