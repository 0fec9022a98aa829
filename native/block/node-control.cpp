// Flush, truncate, ioctl and block status.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

Task<Status> Node::flush() {
  if (!driver_->is_inserted() || options_.read_only) {
    return Status();
  }
  return flush_slow();
}

// One flush at a time, others in order: whoever ends hands the turn to the next in the queue, so a
// newcomer cannot overtake. The generation is taken before the wait: a write that ends later is not
// promised by this flush (FLUSH-4).
Task<Status> Node::flush_slow() {
  count();
  InFlight counted(*this);
  const std::uint64_t generation = write_generation_;
  if (flush_active_) {
    co_await flush_queue_.wait();
  }
  flush_active_ = true;
  Status status = co_await flush_disk_and_children(generation);
  if (status.ok()) {
    flushed_generation_ = std::max(flushed_generation_, generation);
  }
  flush_active_ = !flush_queue_.empty();
  flush_queue_.wake_one(*context_);
  co_return status.at(id());
}

Task<Status> Node::flush_disk_and_children(std::uint64_t generation) {
  if (flushed_generation_ < generation && !options_.no_flush) {
    Status status = co_await driver_->flush_to_disk();
    if (!status.ok()) {
      co_return status;
    }
  }
  Status first_error;
  for (const auto& child : children_) {
    if ((child->permissions & (kPermWrite | kPermWriteUnchanged)) != 0) {
      Status status = co_await child->node->flush();
      first_error = first_error.ok() ? status : first_error;
    }
  }
  co_return first_error;
}

Task<Status> Node::truncate(const Edge& via, TruncateRequest request, ErrorReport& report) {
  if (request.size < 0) {
    return Status(report.fail(-EINVAL, "truncate-negative"), id());
  }
  if (request.size > kMaxLength) {
    return Status(report.fail(-EIO, "truncate-too-large"), id());
  }
  if (options_.read_only) {
    return Status(report.fail(-EACCES, "truncate-read-only"), id());
  }
  if ((via.permissions & kPermResize) == 0) {
    return Status(report.fail(-EPERM, "truncate-not-permitted"), id());
  }
  return truncate_slow(request, report);
}

Task<Status> Node::truncate_slow(TruncateRequest request, ErrorReport& report) {
  count();
  InFlight counted(*this);
  const std::int64_t old_length = length();
  const std::int64_t growth = std::max<std::int64_t>(0, request.size - old_length);
  TrackedRequest tracked(tracker_, TrackedType::kTruncate, request.size - growth, growth);
  if (growth > 0) {
    tracked.make_serialising(1);  // writes into the new area wait for it to exist (TRUNC-3)
    co_await tracker_.wait_for_conflicts(tracked);
  }
  Status status = co_await driver_->truncate(request, report);
  if (!status.ok()) {
    co_return status.at(id());
  }
  ++write_generation_;
  const std::int64_t new_length = co_await refresh_length();
  if (new_length < 0) {
    co_return Status(static_cast<std::int32_t>(new_length), id());
  }
  listener_.on_resized(id());  // also when the size did not change (TRUNC-4)
  co_return Status();
}

Task<std::int64_t> Node::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  count();
  InFlight counted(*this);
  co_return co_await driver_->ioctl(request, data, bytes);
}

Task<BlockStatus> Node::block_status(bool want_zero, std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  const std::int64_t end = length();
  BlockStatus status;
  if (offset >= end) {
    status.end_of_file = true;
    co_return status;
  }
  if (bytes == 0) {
    co_return status;
  }
  const std::int64_t align = limits_.request_alignment;
  const std::int64_t start = offset & ~(align - 1);
  const std::int64_t wanted = std::min(bytes, end - offset);
  const std::int64_t aligned_end = (offset + wanted + align - 1) & ~(align - 1);
  status = co_await driver_->block_status(want_zero, start, aligned_end - start);
  if (status.error != 0) {
    co_return status;
  }
  const std::int64_t shift = offset - start;
  status.offset += shift;
  status.bytes = std::min(status.bytes - shift, wanted);
  status.end_of_file = offset + status.bytes >= end;
  co_return status;
}

}  // namespace blk::block
