// What is done to an image as a whole: make-zero, make-empty, check.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

// The length is asked once: who resizes meanwhile zeroes what is new by himself.
Task<Status> Node::make_zero(const Edge& via, RequestFlags flags) {
  const std::int64_t end = co_await current_length();
  if (end < 0) {
    co_return Status(static_cast<std::int32_t>(end), id());
  }
  Edge parent = via;
  for (std::int64_t offset = 0; offset < end;) {
    BlockStatus found = co_await block_status(true, offset, std::min(end - offset, kMaxTransfer));
    if (found.error != 0) {
      co_return Status(found.error, found.node);
    }
    if (found.bytes == 0) {
      break;
    }
    if (!found.zero) {
      Status status = co_await pwrite_zeroes_to_child(parent, offset, found.bytes, flags);
      if (!status.ok()) {
        co_return status;
      }
    }
    offset += found.bytes;
  }
  co_return Status();
}

Task<Status> Node::make_empty(const Edge& via) {
  count();
  InFlight counted(*this);
  if (ejected_.load(relaxed)) {
    co_return Status(-ENOMEDIUM, id());
  }
  // The guest sees the backing file instead, which a job that commits has made the same before.
  if (Status status = check_writable(via, kRequestWriteUnchanged); !status.ok()) {
    co_return status;
  }
  data_cache_.clear();
  Status status = co_await driver_->make_empty();
  ++write_generation_;
  co_return status.at(id());
}

Task<std::int64_t> Node::check_image() {
  count();
  InFlight counted(*this);
  if (ejected_.load(relaxed)) {
    co_return -ENOMEDIUM;
  }
  co_return co_await driver_->check_image();
}

}  // namespace blk::block
