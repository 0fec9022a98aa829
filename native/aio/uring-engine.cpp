#include "aio/uring-engine.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>

#include "aio/on-the-spot.hpp"
#include "aio/socket.hpp"
#include "aio/uring-marks.hpp"
#include "aio/uring-setup.hpp"
#include "aio/write-trial.hpp"

namespace blk::aio {
namespace {

using uring::kCancelTag;
using uring::kDoorbellTag;
using uring::kInRing;
using uring::kLoneWrite;
using uring::kTrial;
using uring::op_of;

// Linux transfers at most MAX_RW_COUNT (INT_MAX rounded down to a page) at once; more is a short
// transfer, which the file driver continues. An SQE's length is 32 bits, so it is cut here.
constexpr std::size_t kLargestTransfer = 0x7ffff000;

// Kernel threads for what blocks all the same (O_DIRECT writes that allocate, reads from file
// systems without NOWAIT). Per kernel thread pool, which rings of one thread share.
constexpr unsigned kBoundedWorkers = 8;
constexpr unsigned kUnboundedWorkers = 2;

// Writes that came alone before one is taken for a lone one: of two lanes, each finds itself alone
// now and then, and a thread of the kernel and a worker would only wait for each other.
constexpr unsigned kAloneInARow = 4;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kMillisecond = 1'000'000;

Nanoseconds time_left(Nanoseconds deadline) {
  return std::max<Nanoseconds>(0, deadline - MonotonicClock().now());
}

// Errors of io_uring_enter that pass: no memory for a request, or the completion queue must be
// emptied first. The published entries stay where they are.
bool passes(int error) { return error == -EAGAIN || error == -EBUSY || error == -EINTR; }

/// The one operation on a file, if there is no other. Null: none, or several. A connection that has
/// a request waits for the next one already, so one on a socket may be beside it, before or after.
IoOp* lone_file_op(const IntrusiveList<IoOp>& queue) {
  IoOp* first = queue.front();
  if (first == nullptr || queue.size() > 2) {
    return nullptr;
  }
  IoOp* second = first->next;
  if (is_socket_op(first->opcode)) {
    return second != nullptr && !is_socket_op(second->opcode) ? second : nullptr;
  }
  return second == nullptr || is_socket_op(second->opcode) ? first : nullptr;
}

bool is_buffered_transfer(const IoOp& op) {
  const bool transfer = op.opcode == IoOpcode::kRead || op.opcode == IoOpcode::kWrite;
  return transfer && op.offset >= 0 && !op.file->workers_only && !op.file->direct;
}

void set_nonblocking(int fd, bool on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) {
    fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
  }
}

}  // namespace

std::unique_ptr<UringEngine> UringEngine::create(RingHome home, int& error) {
  std::unique_ptr<UringEngine> engine(new (std::nothrow) UringEngine);
  error = engine != nullptr ? engine->open(home) : -ENOMEM;
  if (error != 0) {
    engine.reset();
  }
  return engine;
}

int UringEngine::open(RingHome home) {
  home_ = std::this_thread::get_id();
  int error = doorbell_.open();
  if (error != 0) {
    return error;
  }
  error = setup_ring(ring_, home, flags_);
  if (error != 0) {
    return error;
  }
  ring_open_ = true;
  // All three are optional: without them the ring is a little slower or less bounded.
  ring_fd_registered_ = io_uring_register_ring_fd(&ring_) == 1;
  unsigned workers[2] = {kBoundedWorkers, kUnboundedWorkers};
  io_uring_register_iowq_max_workers(&ring_, workers);
  registry_.open();
  return open_doorbell();
}

// Arms the doorbell and sees to it that the kernel accepted it: nothing rang yet, so a completion
// that is there at once is a refusal.
int UringEngine::open_doorbell() {
  // A pending read must wait, which it does not on a non-blocking descriptor. Nobody else reads it.
  set_nonblocking(doorbell_.fd(), false);
  for (;;) {
    arm_doorbell();
    push_to_kernel();
    if (broken_ != 0) {
      return broken_;
    }
    run_task_work();
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) { break; }
    if (cqe == nullptr || io_uring_cq_ready(&ring_) == 0) {
      return 0;
    }
    int refusal = cqe->res;
    io_uring_cq_advance(&ring_, 1);
    doorbell_armed_ = false;
    if (doorbell_polled_) {
      return refusal < 0 ? refusal : -EIO;
    }
    doorbell_polled_ = true;
    set_nonblocking(doorbell_.fd(), true);  // now answer() reads it
  }
}

UringEngine::~UringEngine() {
  if (!ring_open_) {
    return;
  }
  release_ring_fd();
  if (!stopped_) {
    // Never used, or its owner was hasty. Only its home can stop it.
    const bool at_home = std::this_thread::get_id() == home_;
    cancel_all();
    stop(at_home ? MonotonicClock().now() + 2 * kSecond : 0);
  }
  close_ring(ring_);
}

// A registered ring descriptor is an index into a table of the thread that registered it. On any
// other thread, liburing would take back that thread's own entry with the same index; there the
// entry is left to the end of its thread.
void UringEngine::release_ring_fd() {
  if (!ring_fd_registered_) {
    return;
  }
  ring_fd_registered_ = false;
  if (std::this_thread::get_id() == home_) {
    io_uring_unregister_ring_fd(&ring_);
    return;
  }
  ring_.enter_ring_fd = ring_.ring_fd;
  ring_.int_flags = 0;
}

void UringEngine::enqueue(IoOp* op) {
  ++in_flight_;
  sockets_in_flight_ += is_socket_op(op->opcode) ? 1 : 0;
  if (cancelled_ || broken_ != 0) {
    finish(op, cancelled_ ? -ECANCELED : broken_);
    doorbell_.ring();
    return;
  }
  queue_.push_back(op);
  // PLUG-4: a full ring's worth is not held back for the end of the batch.
  if (queue_.size() + in_ring_ == kRingEntries) {
    submit();
  }
}

// One alone. Two or more share the ring's system call, or a worker's wake-up.
IoOp* UringEngine::try_now() {
  IoOp* op = lone_file_op(queue_);
  if (op == nullptr || !is_buffered_transfer(*op) || !is_done_now(*op)) {
    return nullptr;
  }
  queue_.remove_if([op](const IoOp& other) { return &other == op; });
  ++counters_.submitted[static_cast<std::size_t>(op->opcode)];
  ++counters_.done_at_once;
  --in_flight_;
  return op;
}

// A write only while nothing else is under way that it could hold up.
bool UringEngine::is_done_now(IoOp& op) {
  if (op.opcode == IoOpcode::kRead) {
    return read_now(op);
  }
  return writes_in_place_ && op.file->ring_writes == RingWrites::kPunted &&
         in_flight_ - sockets_in_flight_ == 1 && write_now(op, MonotonicClock());
}

// Every turn asks, and most have nothing new.
bool UringEngine::is_at_rest() const {
  return queue_.empty() && doorbell_armed_ && cancelling_.empty() && !cancel_operations_ &&
         !cancel_doorbell_ && io_uring_sq_ready(&ring_) == 0;
}

void UringEngine::submit() {
  if (is_at_rest()) {
    return;
  }
  // More than once only when entries for the doorbell and cancellations left too few for the queue:
  // 128 entries, 128 operations.
  do {
    bool more = fill();
    push_to_kernel();
    if (!more || io_uring_sq_ready(&ring_) != 0) {
      return;
    }
  } while (true);
}

// Moves operations from the queue to the ring and to the workers, oldest first, until the queue is
// empty or the ring is full. True when only submission entries were missing, not room in flight.
bool UringEngine::fill() {
  if (broken_ != 0) {
    return false;
  }
  arm_doorbell();
  fill_cancellations();
  bool out_of_entries = false;
  IntrusiveList<IoOp> blocking;
  while (IoOp* op = queue_.front()) {
    io_uring_sqe* sqe = nullptr;
    const bool lone = is_lone_write(*op);
    if (lone || goes_to_ring(*op)) {
      if (in_ring_ >= kRingEntries && !is_socket_op(op->opcode)) {
        break;
      }
      sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr) {
        out_of_entries = true;
        break;
      }
    }
    queue_.pop_front();
    ++counters_.submitted[static_cast<std::size_t>(op->opcode)];
    if (sqe != nullptr) {
      prepare(*sqe, *op);
      if (lone) {
        io_uring_sqe_set_flags(sqe, sqe->flags | IOSQE_ASYNC);
        op->engine_state = kLoneWrite;
        lone_write_ = true;
      }
    } else {
      blocking.push_back(for_worker(op));
      ++with_workers_;
    }
  }
  counters_.worker_submissions += blocking.size();
  workers_.submit(blocking);
  return out_of_entries;
}

// A negative offset is left to the system call, which refuses it: to the ring, -1 means the file's
// own position, which other requests move.
bool UringEngine::goes_to_ring(const IoOp& op) {
  if (op.opcode == IoOpcode::kCall || op.file->workers_only || op.offset < 0) {
    return false;
  }
  return is_socket_op(op.opcode) || op.opcode == IoOpcode::kRead ||
         (op.opcode == IoOpcode::kWrite &&
          (op.file->direct || op.file->ring_writes == RingWrites::kAsync));
}

// One buffered write, and nothing else that blocks: then a thread of the kernel does it for fewer
// system calls than a worker, who has to be woken and has to ring. More of them at a time stay with
// the workers, where they stand in line (WriteLines) and are told of together.
bool UringEngine::is_lone_write(const IoOp& op) {
  if (op.opcode != IoOpcode::kWrite || op.file->ring_writes != RingWrites::kPunted ||
      op.file->workers_only || op.offset < 0) {
    return false;
  }
  const IoOp* other = op.next;
  while (other != nullptr && goes_to_ring(*other)) {
    other = other->next;
  }
  const bool alone = other == nullptr && with_workers_ == 0 && !lone_write_;
  alone_in_a_row_ = alone ? std::min(alone_in_a_row_ + 1, kAloneInARow) : 0;
  return alone_in_a_row_ == kAloneInARow;
}

IoOp* UringEngine::for_worker(IoOp* op) {
  op->engine_state = 0;
  if (op->opcode != IoOpcode::kWrite || op->file->workers_only ||
      op->file->ring_writes != RingWrites::kUnknown) {
    return op;
  }
  IoOp* trial = new (std::nothrow) WriteTrial(op, kTrial);
  return trial != nullptr ? trial : op;
}

void UringEngine::collect_from_workers() {
  IntrusiveList<IoOp> collected;
  workers_.collect(collected);
  with_workers_ -= collected.size();
  while (IoOp* op = collected.pop_front()) {
    if (op->engine_state != kTrial) {
      finished_.push_back(op);
      continue;
    }
    std::unique_ptr<WriteTrial> trial(static_cast<WriteTrial*>(op));
    trial->learn();
    finish(trial->write(), trial->result);
  }
}

// The doorbell comes first in every batch, so that it is never the one that finds no entry.
void UringEngine::arm_doorbell() {
  if (doorbell_armed_ || stopping_) {
    return;
  }
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    return;  // the next fill() tries again
  }
  if (doorbell_polled_) {
    io_uring_prep_poll_add(sqe, doorbell_.fd(), POLLIN);
  } else {
    io_uring_prep_read(sqe, doorbell_.fd(), &doorbell_value_, sizeof(doorbell_value_), 0);
  }
  io_uring_sqe_set_data64(sqe, kDoorbellTag);
  doorbell_armed_ = true;
}

void UringEngine::prepare(io_uring_sqe& sqe, IoOp& op) {
  if (is_socket_op(op.opcode)) {
    prepare_socket_op(sqe, op);
    return;
  }
  prepare_transfer(sqe, op);
  io_uring_sqe_set_data(&sqe, &op);
  int slot = registry_.file_slot(*op.file);
  if (slot >= 0) {
    sqe.fd = slot;
    sqe.flags |= IOSQE_FIXED_FILE;
  } else {
    ++counters_.unregistered_files;
  }
  ++counters_.ring_submissions;
  ++in_ring_;
}

void UringEngine::prepare_transfer(io_uring_sqe& sqe, const IoOp& op) {
  const bool read = op.opcode == IoOpcode::kRead;
  const int fd = op.file->fd.get();
  const auto offset = static_cast<std::uint64_t>(op.offset);
  if (op.iovcnt != 1) {
    unsigned count = std::min<unsigned>(op.iovcnt, IOV_MAX);
    read ? io_uring_prep_readv(&sqe, fd, op.iov, count, offset)
         : io_uring_prep_writev(&sqe, fd, op.iov, count, offset);
    return;
  }
  void* data = op.iov->iov_base;
  auto length = static_cast<unsigned>(std::min(op.iov->iov_len, kLargestTransfer));
  int slot = op.region != nullptr ? registry_.region_slot(*op.region) : UringRegistry::kNone;
  if (slot >= 0) {
    read ? io_uring_prep_read_fixed(&sqe, fd, data, length, offset, slot)
         : io_uring_prep_write_fixed(&sqe, fd, data, length, offset, slot);
    return;
  }
  counters_.unregistered_buffers += op.region != nullptr && !op.region->is_foreign();
  read ? io_uring_prep_read(&sqe, fd, data, length, offset)
       : io_uring_prep_write(&sqe, fd, data, length, offset);
}

// Sockets are not registered: a registration would keep one open that was closed.
void UringEngine::prepare_socket_op(io_uring_sqe& sqe, IoOp& op) {
  const int fd = op.file->fd.get();
  const int flags = message_flags(op);
  auto* message = static_cast<msghdr*>(op.argument);
  if (op.opcode == IoOpcode::kAccept) {
    io_uring_prep_accept(&sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  } else if (op.iovcnt != 1) {
    op.opcode == IoOpcode::kSend
        ? io_uring_prep_sendmsg(&sqe, fd, message, static_cast<unsigned>(flags))
        : io_uring_prep_recvmsg(&sqe, fd, message, static_cast<unsigned>(flags));
  } else {
    const std::size_t length = std::min(op.iov->iov_len, kLargestTransfer);
    op.opcode == IoOpcode::kSend ? io_uring_prep_send(&sqe, fd, op.iov->iov_base, length, flags)
                                 : io_uring_prep_recv(&sqe, fd, op.iov->iov_base, length, flags);
  }
  if (op.poll_first && (flags_ & IORING_SETUP_SINGLE_ISSUER) != 0) {  // since 5.19 and 6.0
    sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
  }
  io_uring_sqe_set_data(&sqe, &op);
  op.engine_state = kInRing;
  ++counters_.ring_submissions;
  ++sockets_in_ring_;
}

// Publishes what was filled and hands everything published to the kernel, including what an earlier
// attempt left behind.
void UringEngine::push_to_kernel() {
  if (broken_ != 0 || io_uring_sq_ready(&ring_) == 0) {
    return;
  }
  int result = 0;
  do {
    result = submit_entries();
  } while (result == -EINTR);
  check_submission(result);
}

// With DEFER_TASKRUN what has completed meanwhile is posted by the same call: a lone write that its
// thread was quick with, the next request of a client that was quick with its answer.
int UringEngine::submit_entries() {
  return (flags_ & IORING_SETUP_DEFER_TASKRUN) != 0 ? io_uring_submit_and_get_events(&ring_)
                                                    : io_uring_submit(&ring_);
}

void UringEngine::check_submission(int result) {
  if (result < 0 && !passes(result)) {
    give_up(result);
    return;
  }
  // The kernel left entries behind (no memory for a request). A home that sleeps on the ring comes
  // back when something completes; the doorbell makes sure that something does.
  if (io_uring_sq_ready(&ring_) != 0) {
    doorbell_.ring();
  }
}

void UringEngine::reap(IntrusiveList<IoOp>& done) {
  run_task_work();
  consume();
  if (workers_finished_ || broken_ != 0) {
    workers_finished_ = false;
    collect_from_workers();
  }
  submit();  // first: what it finds refused is finished as well
  in_flight_ -= finished_.size();
  finished_.splice_to(done);
}

// Lets the kernel post completions it holds back: with COOP_TASKRUN and DEFER_TASKRUN it does so
// only inside a system call of this thread. One load when there are none.
void UringEngine::run_task_work() {
  if ((IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
    io_uring_get_events(&ring_);
  }
}

bool UringEngine::has_news() const {
  return io_uring_cq_ready(&ring_) != 0 ||
         (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringEngine::consume() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++count;
    if (cqe->user_data == kDoorbellTag) {
      doorbell_rang(cqe->res);
    } else if (cqe->user_data != kCancelTag) {
      left_ring(*op_of(cqe->user_data));
      finish(op_of(cqe->user_data), cqe->res);
    }
  }
  io_uring_cq_advance(&ring_, count);
}

void UringEngine::left_ring(IoOp& op) {
  if (!is_socket_op(op.opcode)) {
    --in_ring_;
    lone_write_ = lone_write_ && op.engine_state != kLoneWrite;
    op.engine_state = 0;
    return;
  }
  --sockets_in_ring_;
  if (op.engine_state == uring::kCancelling) {
    cancelling_.remove_if([&op](const IoOp& other) { return &other == &op; });
  }
  op.engine_state = 0;
}

void UringEngine::doorbell_rang(std::int32_t result) {
  doorbell_armed_ = false;
  if (result == -ECANCELED) {
    return;  // by cancel_all(): armed again by the next fill(), unless the engine stops
  }
  if (result < 0 && result != -EINTR && result != -EAGAIN && !doorbell_polled_) {
    doorbell_polled_ = true;
    set_nonblocking(doorbell_.fd(), true);
  }
  doorbell_.answer(doorbell_polled_);
  workers_finished_ = true;
}

void UringEngine::finish(IoOp* op, std::int64_t result) {
  sockets_in_flight_ -= is_socket_op(op->opcode) ? 1 : 0;
  op->result = result;
  finished_.push_back(op);
}

void UringEngine::finish_queue(std::int64_t result) {
  while (IoOp* op = queue_.pop_front()) {
    finish(op, result);
  }
}

void UringEngine::wait(Nanoseconds deadline) {
  if (fill()) {
    submit();
  }
  if (!finished_.empty() || workers_finished_) {
    push_to_kernel();
    return;
  }
  sleep_in_ring(deadline);
}

// Submits and sleeps in one system call; only submits when completions are there already.
void UringEngine::sleep_in_ring(Nanoseconds deadline) {
  int result = broken_;
  if (result == 0 && deadline == kNever) {
    result = io_uring_submit_and_wait(&ring_, io_uring_cq_ready(&ring_) == 0 ? 1 : 0);
  } else if (result == 0) {
    Nanoseconds left = time_left(deadline);
    __kernel_timespec timeout{left / kSecond, left % kSecond};
    io_uring_cqe* cqe = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
    result = result == -ETIME ? 0 : result;
  }
  if (result >= 0 || result == -EINTR) {
    return;
  }
  if (broken_ == 0 && !passes(result)) {
    give_up(result);
    return;
  }
  // Nothing was submitted and so nothing waited for. A millisecond from now there may be memory
  // again; on a ring that is broken for good, workers may still finish.
  pollfd sources[2] = {{ring_.ring_fd, POLLIN, 0}, {doorbell_.fd(), POLLIN, 0}};
  Nanoseconds left = deadline == kNever ? kMillisecond : time_left(deadline);
  poll(sources, 2, left > 0 ? 1 : 0);
}

}  // namespace blk::aio
