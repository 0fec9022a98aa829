// What a node adds to a transfer that no coroutine carries: checks before, counts and tracking, and
// what a write leaves behind.
#include "block/node.hpp"

namespace blk::block {

// The conditions under which preadv() and pwritev() do nothing but ask the driver. What they refuse
// goes there, too, to be refused. A simple request ends inside the node: so its range is valid, and
// no write grows the node.
DirectStep Node::direct_step(const Edge& via, Transfer& transfer) const {
  if (transfer.bytes <= 0 || transfer.offset < 0 || !is_simple(transfer.offset, transfer.bytes) ||
      ejected_.load(relaxed)) {
    return {};
  }
  if (transfer.is_write) {
    if (!check_writable(via, transfer.flags).ok() || !is_plain_write(transfer.flags)) {
      return {};
    }
    transfer.flags &= driver_->supported_write_flags();
  } else if (options_.state.copy_on_read || (transfer.flags & kCopyingFlags) != 0) {
    return {};
  }
  return driver_->direct_step(transfer);
}

void Node::begin_direct(bool is_write, std::int64_t offset, std::int64_t bytes,
                        std::optional<TrackedRequest>& tracked) {
  if (is_write) {
    check_write_threshold(offset, bytes);
  }
  count();
  // No frame: drivers that only shift make no requests of their own, so none is inside of this one.
  tracked.emplace(tracker_, nullptr, is_write ? TrackedType::kWrite : TrackedType::kRead, offset,
                  bytes);
}

void Node::end_direct(bool is_write, const Status& status, std::optional<TrackedRequest>& tracked) {
  if (is_write) {
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): begin_direct() made it
    note_write(tracked->offset(), tracked->bytes(), status);
  }
  tracked.reset();
  uncount();
}

}  // namespace blk::block
