// Reads: straight to the driver when nothing is in the way, else tracked, padded and split.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"
#include "block/padding.hpp"

namespace blk::block {

using aio::Task;

Task<Status> Node::preadv(const Edge& /*via*/, std::int64_t offset, std::int64_t bytes, IoView data,
                          RequestFlags flags) {
  if (Status status = check_transfer(offset, bytes); !status.ok()) {
    return status;
  }
  if (bytes == 0) {
    return Status();
  }
  if (options_.state.copy_on_read) {
    flags |= kRequestCopyOnRead;
  }
  if (!is_simple(offset, bytes) || (flags & kCopyingFlags) != 0) {
    return read_slow(offset, bytes, data, flags);
  }
  Task<Status> io = driver_->preadv(offset, bytes, data, flags);
  if (io.is_ready()) {
    return io.take().at(id());
  }
  return finish_read(std::move(io), offset, bytes);
}

Task<Status> Node::finish_read(Task<Status> io, std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kRead, offset, bytes);
  Status status = co_await io;
  co_return status.at(id());
}

Task<Status> Node::read_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                             RequestFlags flags) {
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kRead, offset, bytes);
  if ((flags & kRequestCopyOnRead) != 0) {
    tracked.make_serialising(cluster_unit());
  }
  const int conflict = co_await tracker_.wait_for_conflicts(tracked);
  if (conflict != 0) {
    co_return Status(conflict, id());
  }
  PaddedRequest padded(offset, bytes, limits_.request_alignment);
  if ((flags & kRequestPrefetch) != 0) {
    co_return co_await read_copying(padded.offset, padded.bytes, IoView(), flags);
  }
  if (!padded.needed()) {
    co_return co_await read_copying(offset, bytes, data, flags);
  }
  if (!padded.allocate(limits_.memory_alignment)) {
    co_return Status(-ENOMEM, id());
  }
  const IoSlice wide = padded.widen(data);
  co_return co_await read_copying(padded.offset, padded.bytes, wide.view(), flags);
}

// Reads fragment by fragment; what lies past the last (partial) block of the node reads as zeroes
// without asking the driver (RW-7, TRK-12).
Task<Status> Node::aligned_read(std::int64_t offset, std::int64_t bytes, IoView data,
                                RequestFlags flags) {
  const std::int64_t align = limits_.request_alignment;
  const std::int64_t behind = std::max<std::int64_t>(0, length() - offset);
  const std::int64_t readable = std::min(bytes, (behind + align - 1) & ~(align - 1));
  if (readable == bytes && bytes <= transfer_limit_) {
    Status status = co_await driver_->preadv(offset, bytes, data, flags);
    co_return status.at(id());
  }
  for (std::int64_t done = 0; done < readable;) {
    const std::int64_t piece = std::min(readable - done, transfer_limit_);
    const IoSlice slice(data, static_cast<std::size_t>(done), static_cast<std::size_t>(piece));
    Status status = co_await driver_->preadv(offset + done, piece, slice.view(), flags);
    if (!status.ok()) {
      co_return status.at(id());
    }
    done += piece;
  }
  zero_range(data, static_cast<std::size_t>(readable), static_cast<std::size_t>(bytes - readable));
  co_return Status();
}

}  // namespace blk::block
