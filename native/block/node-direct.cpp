// What a node adds to a transfer that no coroutine carries: checks before, counts and tracking, and
// what a write leaves behind.
#include "block/node.hpp"

namespace blk::block {

// The conditions under which preadv() and pwritev() do nothing but ask the driver. What they refuse
// goes there, too, to be refused.
DirectStep Node::direct_step(const Edge& via, Transfer& transfer) const {
  const auto& [is_write, offset, bytes, data, flags] = transfer;
  if (bytes == 0 || !check_transfer(offset, bytes).ok() || !is_simple(offset, bytes)) {
    return {};
  }
  if (!is_write) {
    const bool copies = options_.state.copy_on_read || (flags & kCopyingFlags) != 0;
    return copies ? DirectStep() : driver_->direct_step(transfer);
  }
  if (!check_writable(via, flags).ok() || !check_growth(via, offset, bytes).ok() ||
      !is_plain_write(flags)) {
    return {};
  }
  transfer.flags &= driver_->supported_write_flags();
  return driver_->direct_step(transfer);
}

void Node::begin_direct(const Transfer& transfer, std::optional<TrackedRequest>& tracked) {
  if (transfer.is_write) {
    check_write_threshold(transfer.offset, transfer.bytes);
  }
  count();
  // No frame: drivers that only shift make no requests of their own, so none is inside of this one.
  tracked.emplace(tracker_, nullptr, transfer.is_write ? TrackedType::kWrite : TrackedType::kRead,
                  transfer.offset, transfer.bytes);
}

void Node::end_direct(bool is_write, const Status& status, std::optional<TrackedRequest>& tracked) {
  if (is_write) {
    note_write(tracked->offset(), tracked->bytes(), status);
  }
  tracked.reset();
  uncount();
}

}  // namespace blk::block
