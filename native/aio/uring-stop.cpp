// How operations of the io_uring engine end early: cancelled, refused with their ring, or at
// teardown.
#include <algorithm>
#include <cerrno>

#include "aio/uring-engine.hpp"
#include "aio/uring-marks.hpp"

namespace blk::aio {

using uring::kCancelling;
using uring::kCancelTag;
using uring::kDoorbellTag;
using uring::kInRing;
using uring::op_of;

// The kernel refuses the ring itself: a seccomp filter that came later (EPERM, ENOSYS), or a caller
// on another thread (EEXIST). What it has not taken yet it never will, so it fails here.
void UringEngine::give_up(int error) {
  broken_ = error;
  for (unsigned i = ring_.sq.sqe_tail - io_uring_sq_ready(&ring_); i != ring_.sq.sqe_tail; ++i) {
    // liburing fills and publishes entries in the same order, so position i is entry i.
    std::uint64_t data = ring_.sq.sqes[i & ring_.sq.ring_mask].user_data;
    if (data == kDoorbellTag) {
      doorbell_armed_ = false;
    } else if (data != kCancelTag) {
      left_ring(*op_of(data));
      finish(op_of(data), error);
    }
  }
  finish_queue(error);
  doorbell_.ring();
}

// Handed over at once, whatever is plugged, and before any later operation, which may live at the
// same address.
void UringEngine::cancel(IoOp* op) {
  if (op->engine_state == kInRing) {
    op->engine_state = kCancelling;
    cancelling_.push_back(op);
    submit();
    return;
  }
  if (queue_.remove_if([op](const IoOp& other) { return &other == op; }) != nullptr) {
    finish(op, -ECANCELED);
    doorbell_.ring();
  }
}

void UringEngine::fill_cancellations() {
  while (!cancelling_.empty()) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      return;
    }
    IoOp* op = cancelling_.pop_front();
    op->engine_state = kInRing;
    io_uring_prep_cancel64(sqe, reinterpret_cast<std::uint64_t>(op), 0);
    io_uring_sqe_set_data64(sqe, kCancelTag);
  }
  if (cancel_operations_) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) {
      // Hits the doorbell as well, which is armed again. A kernel before 5.19 refuses it; there
      // started operations are simply waited for.
      io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
      io_uring_sqe_set_data64(sqe, kCancelTag);
      cancel_operations_ = false;
    }
  }
  if (cancel_doorbell_) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) {
      io_uring_prep_cancel64(sqe, kDoorbellTag, 0);
      io_uring_sqe_set_data64(sqe, kCancelTag);
      cancel_doorbell_ = false;
    }
  }
}

void UringEngine::cancel_all() {
  if (cancelled_) {
    return;
  }
  cancelled_ = true;
  if (!queue_.empty()) {
    finish_queue(-ECANCELED);
    doorbell_.ring();
  }
  workers_.cancel_waiting();
  cancel_operations_ = in_ring_ + sockets_in_ring_ > 0;
  submit();
}

bool UringEngine::stop(Nanoseconds deadline) {
  if (stopped_) {
    return true;
  }
  stopping_ = true;
  // Again: an operation can escape while it is being retried.
  cancel_operations_ = in_ring_ + sockets_in_ring_ > 0;
  cancel_doorbell_ = doorbell_armed_;
  while (in_ring_ + sockets_in_ring_ > 0 || doorbell_armed_) {
    submit();
    run_task_work();
    consume();
    if (in_ring_ + sockets_in_ring_ == 0 && !doorbell_armed_) {
      break;
    }
    if (MonotonicClock().now() >= deadline) {
      return false;
    }
    sleep_in_ring(deadline);
  }
  stopped_ = workers_.stop(deadline);
  collect_from_workers();
  if (stopped_ && std::this_thread::get_id() == home_) {
    release_ring_fd();
  }
  return stopped_;
}

}  // namespace blk::aio
