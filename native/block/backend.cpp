#include "block/backend.hpp"

#include <cerrno>
#include <climits>

namespace blk::block {

using aio::Detached;
using aio::Task;

namespace {

// Truncate and the queries are neither queued in a drained section (DRAIN-24) nor range-checked.
bool is_queueable(Operation operation) {
  switch (operation) {
    case Operation::kTruncate:
    case Operation::kLength:
    case Operation::kAbort:
      return false;
    default:
      return true;
  }
}

bool is_ranged(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite ||
         operation == Operation::kWriteZeroes || operation == Operation::kDiscard;
}

IoView view_of(const Request& request) {
  if (!request.vector.empty()) {
    return {request.vector.data(), static_cast<std::uint32_t>(request.vector.size())};
  }
  return {&request.single, 1, request.region.get()};
}

}  // namespace

void Backend::submit(Request* request) {
  if (must_park(*request)) {
    park(request);
  } else {
    start(request);
  }
}

bool Backend::would_park(Operation operation) const {
  return announced_.load() != 0 && !flags_.disable_queueing && is_queueable(operation);
}

bool Backend::must_park(const Request& request) const {
  return quiesce_ != 0 && !flags_.disable_queueing && is_queueable(request.operation);
}

void Backend::park(Request* request) {
  request->parked = true;
  parked_.push_back(request);
  parked_count_.fetch_add(1);
  // First: who sees that all that is left is parked also sees that a drain may go on.
  uncount();
  if (request->tells_parking) {
    listener_.on_parked(1);
  }
}

void Backend::unpark(Request* request) {
  request->parked = false;
  count();
  parked_count_.fetch_sub(1);
  if (request->tells_parking) {
    listener_.on_parked(-1);
  }
}

void Backend::abort_parked(int error) {
  aio::IntrusiveList<aio::Runnable> aborted;
  parked_.splice_to(aborted);
  while (auto* request = static_cast<Request*>(aborted.pop_front())) {
    unpark(request);
    finish(request, Status(error));
  }
}

void Backend::uncount(std::uint32_t requests) {
  if (in_flight_.fetch_sub(requests) == requests && announced_.load() != 0) {
    listener_.on_idle();
  }
}

void Backend::quiesce_end() {
  if (--quiesce_ != 0) {
    return;
  }
  // A request that runs may begin no section (only lib/ does), so the queue empties here.
  while (auto* request = static_cast<Request*>(parked_.pop_front())) {
    unpark(request);
    start(request);
  }
}

void Backend::start(Request* request) {
  if (request->operation == Operation::kAbort) {
    finish_value(request, request->argument);
    return;
  }
  if (root_.node != nullptr && root_.node->has_variable_length() &&
      (is_ranged(request->operation) || request->operation == Operation::kLength)) {
    ask_length_then_start(request);
    return;
  }
  start_checked(request, root_.node != nullptr ? root_.node->length() : 0);
}

Detached Backend::ask_length_then_start(Request* request) {
  const std::int64_t length = co_await root_.node->current_length();
  start_checked(request, length);
}

// REQ-1, REQ-2: size, medium, offset, end, in this order. A failed length query is the result
// (REQ-5).
Status Backend::check(const Request& request, std::int64_t length) const {
  const bool is_transfer =
      request.operation == Operation::kRead || request.operation == Operation::kWrite;
  if (request.bytes < 0 || (is_transfer && request.bytes > INT_MAX)) {
    return -EIO;
  }
  if (!is_available()) {
    return -ENOMEDIUM;
  }
  if (length < 0) {
    return static_cast<int>(length);
  }
  if (!is_ranged(request.operation)) {
    return {};
  }
  if (request.offset < 0) {
    return -EIO;
  }
  if (!flags_.allow_write_beyond_end &&
      (request.offset > length || length - request.offset < request.bytes)) {
    return -EIO;
  }
  return {};
}

void Backend::start_checked(Request* request, std::int64_t length) {
  if (Status status = check(*request, length); !status.ok()) {
    finish(request, status);
    return;
  }
  if (request->operation == Operation::kLength) {
    finish_value(request, length);
    return;
  }
  if (request->operation == Operation::kIoctl) {
    finish_value_later(request,
                       root_.node->ioctl(static_cast<std::uint64_t>(request->argument),
                                         request->single.iov_base, request->single.iov_len));
    return;
  }
  Task<Status> io = issue(*request);
  if (io.is_ready()) {
    finish(request, io.take());
  } else {
    finish_later(request, std::move(io));
  }
}

Task<Status> Backend::issue(Request& request) {
  Node& node = *root_.node;
  // Sampled here, at issue time: a toggle affects what is issued afterwards (RW-4, FUA-10).
  const RequestFlags fua = flags_.write_cache ? 0 : kRequestFua;
  switch (request.operation) {
    case Operation::kRead:
      return node.preadv(root_, request.offset, request.bytes, view_of(request), request.flags);
    case Operation::kWrite:
      return node.pwritev(root_, request.offset, request.bytes, view_of(request),
                          request.flags | fua);
    case Operation::kWriteZeroes:
      return node.pwrite_zeroes(root_, request.offset, request.bytes, request.flags | fua);
    case Operation::kDiscard:
      return node.pdiscard(root_, request.offset, request.bytes);
    case Operation::kFlush:
      return node.flush();
    case Operation::kTruncate:
      return issue_truncate(request);
    default:
      return Status(-ENOTSUP);
  }
}

Task<Status> Backend::issue_truncate(Request& request) {
  TruncateRequest truncate;
  truncate.size = request.offset;
  truncate.preallocation = static_cast<Preallocation>(request.argument & 0xff);
  truncate.exact = (request.argument >> 8 & 1) != 0;
  ErrorReport report;
  Status status = co_await root_.node->truncate(root_, truncate, report);
  if (report.error != 0) {
    request.report = std::make_unique<ErrorReport>(std::move(report));
  }
  co_return status;
}

Detached Backend::finish_later(Request* request, Task<Status> io) {
  Status status = co_await io;
  finish(request, status);
}

Detached Backend::finish_value_later(Request* request, Task<std::int64_t> io) {
  std::int64_t value = co_await io;
  finish_value(request, value);
}

void Backend::finish(Request* request, const Status& status) {
  const bool is_transfer =
      request->operation == Operation::kRead || request->operation == Operation::kWrite;
  request->result = !status.ok() ? status.error : is_transfer ? request->bytes : 0;
  request->failed_node = status.node;
  request->done(request);
}

void Backend::finish_value(Request* request, std::int64_t value) {
  request->result = value;
  request->done(request);
}

}  // namespace blk::block
