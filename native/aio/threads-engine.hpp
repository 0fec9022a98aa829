// Engine "threads": every operation is a blocking system call on a worker, but for those on
// sockets, which are polled for and tried without waiting.
#pragma once

#include <memory>

#include "aio/doorbell.hpp"
#include "aio/engine.hpp"
#include "aio/socket-poller.hpp"
#include "aio/worker-pool.hpp"

namespace blk::aio {

class ThreadsEngine final : public Engine {
 public:
  /// Null only when no eventfd can be had; `error` then holds the negative errno.
  static std::unique_ptr<ThreadsEngine> create(int& error);
  ~ThreadsEngine() override;

  const char* name() const override { return "threads"; }
  void enqueue(IoOp* op) override;
  void submit() override;
  bool has_unsubmitted() const override { return !queued_.empty(); }
  void reap(IntrusiveList<IoOp>& done) override;
  void wait(Nanoseconds deadline) override;
  void wake() override;
  int poll_fd() const override;
  std::size_t in_flight() const override { return in_flight_; }
  std::size_t sockets_in_flight() const override { return sockets_.waiting() + queued_sockets_; }
  const EngineCounters& counters() const override { return counters_; }
  void forget_file(File& file) override { sockets_.forget(file); }
  void cancel(IoOp* op) override;
  void cancel_all() override;
  bool stop(Nanoseconds deadline) override;

 private:
  ThreadsEngine() = default;
  void start_sockets();
  void refuse_queued();

  Doorbell doorbell_;
  WorkerPool workers_{doorbell_};
  SocketPoller sockets_;
  IntrusiveList<IoOp> queued_;
  std::size_t queued_sockets_ = 0;  // of those
  IntrusiveList<IoOp> refused_;     // finished without having been started
  std::size_t in_flight_ = 0;
  bool cancelled_ = false;
  EngineCounters counters_;
};

}  // namespace blk::aio
