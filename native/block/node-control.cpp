// Plugs, flush, truncate and ioctl.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

void Node::plug() {
  for (const auto& child : children_) {
    child->node->plug();
  }
  if (plugs_++ == 0) {
    driver_->plug();
  }
}

void Node::unplug() {
  if (--plugs_ == 0) {
    driver_->unplug();
  }
  for (const auto& child : children_) {
    child->node->unplug();
  }
}

void Node::move_plugs(Node* from, Node* to) const {
  for (std::uint32_t left = plugs_; left > 0; --left) {
    if (to != nullptr) {
      to->plug();
    }
    if (from != nullptr) {
      from->unplug();
    }
  }
}

Task<Status> Node::flush() {
  if (!driver_->is_inserted() || options_.state.read_only) {
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

// The child that holds the data is told of both steps, as in QEMU.
Task<Status> Node::flush_disk_and_children(std::uint64_t generation) {
  const Edge* storage = primary_child();
  if (storage != nullptr) {
    Status status = co_await storage->node->debug_event(DebugEvent::kFlushToOs);
    if (!status.ok()) {
      co_return status;
    }
  }
  if (flushed_generation_ < generation && !options_.state.no_flush) {
    Status status;
    if (storage != nullptr) {
      status = co_await storage->node->debug_event(DebugEvent::kFlushToDisk);
    }
    if (status.ok()) {
      status = co_await driver_->flush_to_disk();
    }
    if (!status.ok()) {
      co_return status;
    }
  }
  Status first_error;
  for (const auto& child : children_) {
    if ((child->permissions & (kPermWrite | kPermWriteUnchanged)) != 0 &&
        driver_->flushes_child(*child)) {
      Status status = co_await child->node->flush();
      first_error = first_error.ok() ? status : first_error;
    }
  }
  co_return first_error;
}

Task<Status> Node::truncate(const Edge& via, TruncateRequest request, ErrorReport& report) {
  if (ejected_.load(relaxed)) {
    return Status(-ENOMEDIUM, id());
  }
  if (request.size < 0) {
    return Status(report.fail(-EINVAL, "truncate-negative"), id());
  }
  if (request.size > kMaxLength) {
    return Status(report.fail(-EIO, "truncate-too-large"), id());
  }
  if (options_.state.read_only) {
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
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kTruncate, request.size - growth, growth);
  if (growth > 0) {
    tracked.make_serialising(1);  // writes into the new area wait for it to exist (TRUNC-3)
    const int conflict = co_await tracker_.wait_for_conflicts(tracked);
    if (conflict != 0) {
      co_return Status(conflict, id());
    }
  }
  if (const Edge* backing = backing_child(); growth > 0 && backing != nullptr) {
    // What the backing file has there would show in the new area (TRUNC-6).
    const std::int64_t below = co_await backing->node->current_length();
    if (below < 0) {
      co_return Status(report.fail(static_cast<int>(below), "truncate-backing-length"), id());
    }
    request.zero = request.zero || below > old_length;
  }
  if (request.zero && !driver_->has_zeroing_truncate()) {
    co_return Status(report.fail(-ENOTSUP, "truncate-cannot-zero", {{"driver", driver_->name()}}),
                     id());
  }
  Status status = co_await driver_->truncate(request, report);
  if (!status.ok()) {
    co_return status.at(id());
  }
  ++write_generation_;
  data_cache_.clear();
  const std::int64_t new_length = co_await refresh_length();
  if (new_length < 0) {
    co_return Status(static_cast<std::int32_t>(new_length), id());
  }
  dirty_bitmaps_.resize(length());
  listener_.on_resized(id());  // also when the size did not change (TRUNC-4)
  co_return Status();
}

Task<std::int64_t> Node::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  count();
  InFlight counted(*this);
  co_return co_await driver_->ioctl(request, data, bytes);
}

Task<std::int64_t> Node::sg_io(SgIo& command) {
  count();
  InFlight counted(*this);
  co_return co_await driver_->sg_io(command);
}

Task<Status> Node::probe_block_sizes(BlockSizes& sizes) {
  count();
  InFlight counted(*this);
  Status status = co_await driver_->probe_block_sizes(sizes);
  co_return status.at(id());
}

Task<Status> Node::probe_geometry(Geometry& geometry) {
  count();
  InFlight counted(*this);
  Status status = co_await driver_->probe_geometry(geometry);
  co_return status.at(id());
}

Task<std::int64_t> Node::allocated_size() {
  constexpr ChildRole kStoring = kChildData | kChildMetadata | kChildFiltered;
  count();  // nobody closes the file meanwhile
  InFlight counted(*this);
  if (ejected_.load(relaxed)) {
    co_return -ENOMEDIUM;
  }
  std::int64_t sum = co_await driver_->allocated_size();
  if (sum != -ENOTSUP || children_.empty()) {
    co_return sum;
  }
  sum = 0;
  for (const auto& child : children_) {
    if ((child->role & kStoring) == 0) {
      continue;
    }
    const std::int64_t bytes = co_await child->node->allocated_size();
    if (bytes < 0) {
      co_return bytes;
    }
    sum += bytes;
  }
  co_return sum;
}

}  // namespace blk::block
