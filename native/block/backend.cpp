#include "block/backend.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "throttle/group.hpp"

namespace blk::block {

using accounting::AccountType;
using accounting::Cookie;
using aio::Detached;
using aio::Task;

namespace {

// Truncate, copies, vmstate and the queries are neither queued in a drained section (DRAIN-24) nor
// range-checked.
bool is_queueable(Operation operation) {
  switch (operation) {
    case Operation::kTruncate:
    case Operation::kLength:
    case Operation::kAbort:
    case Operation::kCopyRange:
    case Operation::kSaveVmstate:
    case Operation::kLoadVmstate:
    case Operation::kProbeBlockSizes:
    case Operation::kProbeGeometry:
    case Operation::kSectors:
      return false;
    default:
      return true;
  }
}

/// It has a value as its result, or an answer in memory (backend-answers.cpp).
bool is_answered(Operation operation) {
  switch (operation) {
    case Operation::kSaveVmstate:
    case Operation::kLoadVmstate:
    case Operation::kProbeBlockSizes:
    case Operation::kProbeGeometry:
    case Operation::kSgIo:
      return true;
    default:
      return false;
  }
}

bool is_ranged(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite ||
         operation == Operation::kWriteZeroes || operation == Operation::kDiscard;
}

/// What limits bear on (TG-23).
bool is_throttled(const Request& request) {
  return (request.operation == Operation::kRead || request.operation == Operation::kWrite ||
          request.operation == Operation::kWriteZeroes) &&
         (request.flags & kRequestUnthrottled) == 0;
}

}  // namespace

IoView Backend::view_of(const Request& request) {
  if (!request.vector.empty()) {
    return {request.vector.data(), static_cast<std::uint32_t>(request.vector.size())};
  }
  return {&request.single, 1, request.region.get()};
}

void Backend::set_root(Edge edge) {
  for (std::uint32_t left = plugs_; left > 0; --left) {
    if (edge.node != nullptr) {
      edge.node->plug();
    }
    if (root_.node != nullptr) {
      root_.node->unplug();
    }
  }
  root_ = std::move(edge);
}

void Backend::plug() {
  ++plugs_;
  if (root_.node != nullptr) {
    root_.node->plug();
  }
}

void Backend::unplug() {
  --plugs_;
  if (root_.node != nullptr) {
    root_.node->unplug();
  }
}

void Backend::submit(Request* request) {
  if (must_park(*request)) {
    park(request, true);
  } else {
    start(request);
  }
}

void Backend::submit_from_home(Request* request) {
  if (must_park(*request)) {
    park(request, false);
  } else {
    count();
    start(request);
  }
}

bool Backend::would_park(Operation operation) const {
  return announced_.load() != 0 && !flags_.disable_queueing && is_queueable(operation);
}

bool Backend::must_park(const Request& request) const {
  return quiesce_ != 0 && !flags_.disable_queueing && is_queueable(request.operation);
}

void Backend::park(Request* request, bool counted) {
  request->parked = true;
  parked_.push_back(request);
  parked_count_.fetch_add(1);
  // First: who sees that all that is left is parked also sees that a drain may go on.
  if (counted) {
    uncount();
  }
  if (request->from_script) {
    listener_.on_parked(1);
  }
}

void Backend::unpark(Request* request) {
  request->parked = false;
  count();
  parked_count_.fetch_sub(1);
  if (request->from_script) {
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

void Backend::abort_throttled(int error) {
  while (throttle::Waiter* waiter =
             throttle_.find_waiting([](throttle::Waiter&) { return true; })) {
    throttle_.cancel(*waiter);
    finish(static_cast<Request*>(waiter), Status(error));
  }
}

void Backend::uncount(std::uint32_t requests) {
  if (in_flight_.fetch_sub(requests) == requests && announced_.load() != 0) {
    listener_.on_idle();
  }
}

void Backend::begin_arrived() {
  if (begins_.fetch_sub(1) == 1) {
    listener_.on_idle();
  }
}

void Backend::set_owner(BackendOwner* owner) {
  owner_ = owner;
  if (owner_ != nullptr && quiesce_ != 0) {
    owner_->drained_begin();
  }
}

void Backend::release() {
  if (held_.fetch_sub(1) == 1 && announced_.load() != 0) {
    listener_.on_idle();
  }
}

void Backend::quiesce_begin() {
  const bool first = ++quiesce_ == 1;
  throttle_.bypass_begin();
  if (first && owner_ != nullptr) {
    owner_->drained_begin();
  }
}

void Backend::quiesce_end() {
  throttle_.bypass_end();
  if (--quiesce_ != 0) {
    return;
  }
  // A request that runs may begin no section (only lib/ does), so the queue empties here.
  while (auto* request = static_cast<Request*>(parked_.pop_front())) {
    unpark(request);
    start(request);
  }
  if (owner_ != nullptr) {
    owner_->drained_end();
  }
}

void Backend::start(Request* request) {
  if (request->operation == Operation::kAbort) {
    finish_value(request, request->argument);
    return;
  }
  if (request->operation == Operation::kCopyRange) {
    finish_later(request, copy_range(*request));
    return;
  }
  if (request->operation == Operation::kSectors) {
    finish_value_later(request, sectors(request->argument == 0));
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
  return is_ranged(request.operation) ? check_range(request.offset, request.bytes, length)
                                      : Status();
}

Status Backend::check_range(std::int64_t offset, std::int64_t bytes, std::int64_t length) const {
  if (offset < 0) {
    return -EIO;
  }
  if (!flags_.allow_write_beyond_end && (offset > length || length - offset < bytes)) {
    return -EIO;
  }
  return {};
}

// The checks of a ranged request, for one end of a copy (COPY-1).
Task<Status> Backend::check_end(std::int64_t offset, std::int64_t bytes) {
  if (bytes < 0) {
    co_return Status(-EIO);
  }
  if (!is_available()) {
    co_return Status(-ENOMEDIUM);
  }
  const std::int64_t length = co_await root_.node->current_length();
  co_return length < 0 ? Status(static_cast<int>(length)) : check_range(offset, bytes, length);
}

// Neither FUA nor a flush whatever the write cache is, as in QEMU (FUA-8).
Task<Status> Backend::copy_range(Request& request) {
  Status status = co_await check_end(request.offset, request.bytes);
  if (status.ok()) {
    status = co_await request.copy_target->check_end(request.argument, request.bytes);
  }
  if (!status.ok()) {
    co_return status;
  }
  CopyRange copy;
  copy.source = &root_;
  copy.source_offset = request.offset;
  copy.target = &request.copy_target->root_;
  copy.target_offset = request.argument;
  copy.bytes = request.bytes;
  copy.flags = request.flags;
  co_return co_await root_.node->copy_range_from(copy);
}

void Backend::start_checked(Request* request, std::int64_t length) {
  if (Status status = check(*request, length); !status.ok()) {
    account_refusal(*request, status, length);
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
  if (is_answered(request->operation)) {
    finish_value_later(request, answer(*request));
    return;
  }
  if (request->operation == Operation::kBlockStatus) {
    answer_block_status(request);
    return;
  }
  if (request->operation == Operation::kCheck) {
    finish_value_later(request, root_.node->check_image());
    return;
  }
  if (is_throttled(*request)) {
    const auto direction = request->operation == Operation::kRead ? throttle::Direction::kRead
                                                                  : throttle::Direction::kWrite;
    request->run = [](aio::Runnable* self) {
      auto* admitted = static_cast<Request*>(self);
      admitted->backend->issue_admitted(admitted);
    };
    if (!throttle_.admit(*request, direction, request->bytes)) {
      return;
    }
  }
  issue_admitted(request);
}

// After any wait for limits, so that what is sampled here is as of now.
void Backend::issue_admitted(Request* request) {
  request->flags &= ~kRequestUnthrottled;
  if (start_directly(*request)) {
    return;
  }
  Task<Status> io = issue(*request);
  if (io.is_ready()) {
    finish(request, io.take());
  } else {
    finish_later(request, std::move(io));
  }
}

// Sampled at issue time: a toggle affects what is issued afterwards (RW-4, FUA-10).
RequestFlags Backend::fua_of_now() const { return flags_.write_cache ? 0 : kRequestFua; }

bool Backend::start_directly(Request& request) {
  const bool is_write = request.operation == Operation::kWrite;
  if (!is_write && request.operation != Operation::kRead) {
    return false;
  }
  Transfer transfer;
  transfer.is_write = is_write;
  transfer.offset = request.offset;
  transfer.bytes = request.bytes;
  transfer.data = view_of(request);
  transfer.flags = is_write ? request.flags | fua_of_now() : request.flags;
  return request.direct.try_start(
      root_, transfer, request,
      [](Request& ended, const Status& status) { finish(&ended, status); });
}

Task<Status> Backend::issue(Request& request) {
  Node& node = *root_.node;
  const RequestFlags fua = fua_of_now();
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
    case Operation::kMakeZero:
      return node.make_zero(root_, request.flags);
    case Operation::kMakeEmpty:
      return node.make_empty(root_);
    default:
      return Status(-ENOTSUP);
  }
}

Task<Status> Backend::issue_truncate(Request& request) {
  TruncateRequest truncate;
  truncate.size = request.offset;
  truncate.preallocation = static_cast<Preallocation>(request.argument & 0xff);
  truncate.exact = (request.argument >> 8 & 1) != 0;
  truncate.zero = (request.argument >> 9 & 1) != 0;
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
  if (request->account != AccountType::kNone) {
    request->backend->account(*request);
  }
  request->done(request);
}

void Backend::finish_value(Request* request, std::int64_t value) {
  request->result = value;
  if (request->account != AccountType::kNone) {
    request->backend->account(*request);
  }
  request->done(request);
}

// A range that the medium does not have is its user's mistake; a medium that is missing, or whose
// length cannot be found out, is a failure like any other (ACCT-5).
void Backend::account_refusal(Request& request, const Status& status, std::int64_t length) {
  if (status.error == -EIO && length >= 0) {
    stats_.invalid(std::exchange(request.account, AccountType::kNone),
                   std::max(request.accounted_since, context_->batch_time()));
  }
}

// One that left its queue at its owner's wish was not a request at all.
void Backend::account(Request& request) {
  const AccountType type = std::exchange(request.account, AccountType::kNone);
  const aio::Nanoseconds now = context_->batch_time();
  if (request.result >= 0) {
    stats_.done(type, request.bytes, request.accounted_since, now);
  } else if (request.result != -ECANCELED) {
    Cookie cookie{type, request.bytes, request.accounted_since};
    stats_.failed(cookie, now);
  }
}

}  // namespace blk::block
