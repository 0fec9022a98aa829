// Reads that keep what they read from a backing file in the node itself.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

namespace {

constexpr std::int64_t kMaxCopy = 16 << 20;  // copied at a time (RW-13)

}  // namespace

std::int64_t Node::cluster_unit() const {
  const std::int64_t cluster = driver_->cluster_size();
  const bool usable = cluster > 0 && std::has_single_bit(static_cast<std::uint64_t>(cluster));
  return std::max<std::int64_t>(limits_.request_alignment, usable ? cluster : 0);
}

// Without copying, a prefetch is the driver's business or nobody's. All that is here already is
// read as if nobody had asked for a copy.
Task<Status> Node::read_copying(std::int64_t offset, std::int64_t bytes, IoView data,
                                RequestFlags flags) {
  const bool prefetch = (flags & kRequestPrefetch) != 0;
  if ((flags & kRequestCopyOnRead) != 0) {
    const BlockStatus found = co_await block_status(false, offset, bytes);
    if (found.error != 0) {
      co_return Status(found.error, found.node);
    }
    if (!found.allocated || found.bytes != bytes) {
      Status status = co_await copy_on_read(offset, bytes, data);
      co_return status.at(id());
    }
    flags &= ~kRequestCopyOnRead;
    if (prefetch) {
      co_return Status();
    }
  }
  if (prefetch && (driver_->supported_read_flags() & kRequestPrefetch) == 0) {
    co_return Status();
  }
  if (prefetch) {
    Status status = co_await driver_->preadv(offset, bytes, data, flags);
    co_return status.at(id());
  }
  co_return co_await aligned_read(offset, bytes, data, flags);
}

// Whole clusters, so the copy begins before the caller's bytes and ends after them. Without memory
// it is a prefetch.
//
//   |-- skip --|-- wanted --|        of one piece
//   ^ at       ^ offset + done
Task<Status> Node::copy_on_read(std::int64_t offset, std::int64_t bytes, IoView data) {
  const std::int64_t unit = cluster_unit();
  const std::int64_t end = (offset + bytes + unit - 1) & ~(unit - 1);
  const bool prefetch = data.count == 0;
  std::int64_t done = 0;
  for (std::int64_t at = offset & ~(unit - 1); at < end && done < bytes;) {
    std::int64_t piece = std::min(end - at, transfer_limit_);
    const std::int64_t missing = co_await bytes_to_copy(at, piece);
    if (missing == 0) {
      break;  // the node ends in the middle of a cluster
    }
    const bool copies = missing > 0;
    piece = copies ? std::min(missing, kMaxCopy) : -missing;
    const std::int64_t skip = std::max<std::int64_t>(0, offset - at);
    const std::int64_t wanted = std::clamp<std::int64_t>(piece - skip, 0, bytes - done);
    const IoSlice part = prefetch ? IoSlice() : slice_of(data, done, wanted);
    Status status;
    if (copies) {
      const auto buffer =
          aio::AlignedBuffer::allocate(static_cast<std::size_t>(piece), limits_.memory_alignment);
      status = co_await copy_up(at, buffer);
      if (status.ok() && !prefetch) {
        copy_from_linear(part.view(), buffer.data() + skip, static_cast<std::size_t>(wanted));
      }
    } else if (!prefetch && wanted > 0) {
      status = co_await aligned_read(offset + done, wanted, part.view(), 0);
    }
    if (!status.ok()) {
      co_return status;
    }
    done += wanted;
    at += piece;
  }
  if (!prefetch) {
    zero_range(data, static_cast<std::size_t>(done), static_cast<std::size_t>(bytes - done));
  }
  co_return Status();
}

// How many bytes from `offset` on are to be copied; as a negative number, how many are not. 0: the
// node has ended. A last block that is not whole stays where it is: writing it would grow the node.
Task<std::int64_t> Node::bytes_to_copy(std::int64_t offset, std::int64_t bytes) {
  if (options_.state.inactive) {
    co_return -bytes;
  }
  const std::int64_t align = limits_.request_alignment;
  const BlockStatus found = co_await block_status(false, offset, bytes);
  if (found.error != 0) {
    co_return bytes;  // reading it will tell
  }
  const std::int64_t whole = found.bytes & ~(align - 1);
  if (!found.allocated && whole > 0) {
    co_return whole;
  }
  co_return -((found.bytes + align - 1) & ~(align - 1));
}

// As a parent's read and the driver's own write: nobody else is in this range.
Task<Status> Node::copy_up(std::int64_t offset, const aio::AlignedBuffer& buffer) {
  if (!buffer) {
    co_return Status(-ENOMEM, id());
  }
  const auto bytes = static_cast<std::int64_t>(buffer.size());
  const iovec all{buffer.data(), buffer.size()};
  const IoView view(&all, 1);
  Status status = co_await aligned_read(offset, bytes, view, 0);
  if (status.ok()) {
    status = co_await debug_event(DebugEvent::kCorWrite);
  }
  if (!status.ok()) {
    co_return status;
  }
  if (is_all_zero(view)) {
    status = co_await zero_pieces(offset, bytes, kRequestWriteUnchanged);
  } else {
    const RequestFlags flags = kRequestWriteUnchanged & driver_->supported_write_flags();
    status = co_await driver_->pwritev(offset, bytes, view, flags);
  }
  ++write_generation_;
  co_return status;
}

}  // namespace blk::block
