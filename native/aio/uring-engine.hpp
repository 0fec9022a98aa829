// Engine "io_uring".
//
//   enqueue --> queue --fill--> ring (at most 128 on files) ---CQE--+--> reap
//                     \-------> workers --finished--> doorbell -----+
//
// The ring carries what the kernel does without blocking: reads, O_DIRECT writes, and buffered
// writes where the file system can (RingWrites). The rest goes to the engine's own workers, because
// the kernel would only hand it to worker threads of its own, one by one. For a single buffered
// write that is the shorter way, though, and it goes to the ring as well (is_lone_write). A single
// operation that need not be handed over at all is done on the spot (try_now).
//
// One read of the doorbell's eventfd is always pending in the ring, so the ring's descriptor alone
// tells that anything happened: a completion, a finished worker, wake().
//
// No completion is ever lost: the completion queue has 2 * 128 = 256 entries, and at most 128
// operations on files + 1 doorbell read + 3 cancellations = 132 can be outstanding. Operations on
// sockets come on top of that, as most of them only wait for a peer; should the queue overflow,
// NODROP kernels (those with operations on sockets are) keep the rest, and run_task_work() fetches
// it.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <thread>

#include "aio/doorbell.hpp"
#include "aio/engine.hpp"
#include "aio/probe.hpp"
#include "aio/uring-registry.hpp"
#include "aio/worker-pool.hpp"

namespace blk::aio {

class UringEngine final : public Engine {
 public:
  /// Null when the ring or the doorbell cannot be had; `error` then holds the negative errno.
  /// The calling thread becomes the only one that may use the engine (SINGLE_ISSUER).
  static std::unique_ptr<UringEngine> create(RingHome home, int& error);
  ~UringEngine() override;

  const char* name() const override { return "io_uring"; }
  void enqueue(IoOp* op) override;
  IoOp* try_now() override;
  void write_in_place() override { writes_in_place_ = true; }
  void submit() override;
  bool has_unsubmitted() const override { return !queue_.empty() || !cancelling_.empty(); }
  void reap(IntrusiveList<IoOp>& done) override;
  void wait(Nanoseconds deadline) override;
  bool has_news() const override;
  bool tells_news() const override { return true; }
  void wake() override { doorbell_.ring(); }
  int poll_fd() const override { return ring_.ring_fd; }
  std::size_t in_flight() const override { return in_flight_; }
  std::size_t sockets_in_flight() const override { return sockets_in_flight_; }
  const EngineCounters& counters() const override { return counters_; }
  void forget_file(File& file) override { registry_.forget_file(file); }
  void forget_region(const MemoryRegion& region) override { registry_.forget_region(region); }
  void cancel(IoOp* op) override;
  void cancel_all() override;
  /// Waits for what the ring and the workers still hold; completions met meanwhile are kept for
  /// reap().
  bool stop(Nanoseconds deadline) override;

  /// IORING_SETUP_* in force.
  std::uint32_t flags() const { return flags_; }

 private:
  UringEngine() = default;
  int open(RingHome home);
  int open_doorbell();

  bool is_at_rest() const;
  bool fill();
  static bool goes_to_ring(const IoOp& op);
  bool is_done_now(IoOp& op);
  bool is_lone_write(const IoOp& op);
  static IoOp* for_worker(IoOp* op);
  void collect_from_workers();
  void arm_doorbell();
  void fill_cancellations();
  void prepare(io_uring_sqe& sqe, IoOp& op);
  void prepare_transfer(io_uring_sqe& sqe, const IoOp& op);
  void prepare_socket_op(io_uring_sqe& sqe, IoOp& op);
  void push_to_kernel();
  int submit_entries();
  void check_submission(int result);
  void give_up(int error);

  void run_task_work();
  void consume();
  void left_ring(IoOp& op);
  void doorbell_rang(std::int32_t result);
  void finish(IoOp* op, std::int64_t result);
  void finish_queue(std::int64_t result);
  void sleep_in_ring(Nanoseconds deadline);
  void release_ring_fd();

  io_uring ring_{};
  bool ring_open_ = false;
  bool ring_fd_registered_ = false;
  std::uint32_t flags_ = 0;
  std::thread::id home_;
  UringRegistry registry_{ring_};
  Doorbell doorbell_;
  WorkerPool workers_{doorbell_};

  IntrusiveList<IoOp> queue_;          // not started: waits for submit() or for room in the ring
  IntrusiveList<IoOp> finished_;       // result known, not reaped
  IntrusiveList<IoOp> cancelling_;     // in the ring, on sockets, to be cancelled
  std::size_t in_flight_ = 0;          // taken and not reaped
  std::size_t sockets_in_flight_ = 0;  // of those, on sockets and with no result
  unsigned in_ring_ = 0;               // operations on files the ring holds, published or not
  unsigned sockets_in_ring_ = 0;       // the same on sockets
  std::size_t with_workers_ = 0;       // operations that workers have, or have done
  unsigned alone_in_a_row_ = 0;        // of the writes that block, the last ones
  bool lone_write_ = false;            // one of those in the ring is a write of that kind
  bool writes_in_place_ = false;       // those that came alone
  EngineCounters counters_;

  std::uint64_t doorbell_value_ = 0;  // where the pending read puts the eventfd's count
  bool doorbell_armed_ = false;
  bool doorbell_polled_ = false;   // the read was refused: POLL_ADD instead
  bool workers_finished_ = false;  // the doorbell rang: look at the workers' list
  bool cancelled_ = false;
  bool cancel_operations_ = false;  // a cancellation waits for an entry in the ring
  bool cancel_doorbell_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  int broken_ = 0;  // the kernel refuses the ring for good, with this errno
};

}  // namespace blk::aio
