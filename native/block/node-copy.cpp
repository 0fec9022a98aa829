// Copying between nodes, which their drivers hand to the kernel.
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

// The target is checked before the source (COPY-2). No padding and no splitting: either the drivers
// can have the range as it is, or the caller copies it.
Task<Status> Node::copy_range_from(CopyRange copy) {
  Node& target = *copy.target->node;
  if (Status status = target.check_transfer(copy.target_offset, copy.bytes); !status.ok()) {
    co_return status;
  }
  if ((copy.flags & kRequestZeroWrite) != 0) {
    co_return co_await target.pwrite_zeroes(*copy.target, copy.target_offset, copy.bytes,
                                            copy.flags & ~kRequestZeroWrite);
  }
  if (Status status = check_transfer(copy.source_offset, copy.bytes); !status.ok()) {
    co_return status;
  }
  if (driver_->is_encrypted() || target.driver_->is_encrypted()) {
    co_return Status(-ENOTSUP, id());
  }
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kRead, copy.source_offset, copy.bytes);
  const int conflict = co_await tracker_.wait_for_conflicts(tracked);
  if (conflict != 0) {
    co_return Status(conflict, id());
  }
  Status status = co_await driver_->copy_range_from(copy);
  co_return status.at(id());
}

// Not serialising, even when both ends are in this node: it could wait for itself. The kernel says
// what it thinks of ranges that overlap (COPY-8).
Task<Status> Node::copy_range_to(CopyRange copy) {
  Status status = check_writable(*copy.target, copy.flags);
  if (status.ok()) {
    status = check_transfer(copy.target_offset, copy.bytes);
  }
  if (status.ok()) {
    status = check_growth(*copy.target, copy.target_offset, copy.bytes);
  }
  if (!status.ok()) {
    co_return status;
  }
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kWrite, copy.target_offset, copy.bytes);
  const int conflict = co_await tracker_.wait_for_conflicts(tracked);
  if (conflict != 0) {
    co_return Status(conflict, id());
  }
  check_write_threshold(copy.target_offset, copy.bytes);
  // Holes of the source may become holes here. Before and after, as an answer may come in between.
  data_cache_.drop(copy.target_offset, copy.bytes);
  status = co_await driver_->copy_range_to(copy);
  data_cache_.drop(copy.target_offset, copy.bytes);
  note_write(copy.target_offset, copy.bytes, status);
  co_return status.at(id());
}

}  // namespace blk::block
