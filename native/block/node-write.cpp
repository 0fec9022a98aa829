// Writes: serialisation, read-modify-write of partial blocks, splitting, FUA emulation.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"
#include "block/padding.hpp"

namespace blk::block {

using aio::Task;

Task<Status> Node::pwritev(const Edge& via, std::int64_t offset, std::int64_t bytes, IoView data,
                           RequestFlags flags) {
  if (Status status = check_writable(via, flags); !status.ok()) {
    return status;
  }
  if (Status status = check_transfer(offset, bytes); !status.ok()) {
    return status;
  }
  if ((flags & kRequestCompressed) != 0) {
    return Status(-ENOTSUP, id());  // no driver here compresses
  }
  if (Status status = check_growth(via, offset, bytes); !status.ok()) {
    return status;
  }
  if (bytes == 0) {
    return Status();
  }
  constexpr RequestFlags kPlain = kRequestMayUnmap | kRequestWriteUnchanged;
  if (!is_simple(offset, bytes) || (flags & ~(kPlain | driver_->supported_write_flags())) != 0) {
    return write_slow(offset, bytes, data, flags);
  }
  Task<Status> io = driver_->pwritev(offset, bytes, data, flags & driver_->supported_write_flags());
  if (io.is_ready()) {
    Status status = io.take().at(id());
    note_write(offset, bytes, status);
    return status;
  }
  return finish_write(std::move(io), offset, bytes);
}

Task<Status> Node::finish_write(Task<Status> io, std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  TrackedRequest tracked(tracker_, TrackedType::kWrite, offset, bytes);
  Status status = co_await io;
  note_write(offset, bytes, status);
  co_return status.at(id());
}

// Registers what kind of write this is and waits until it may run.
Task<Status> Node::start_write(TrackedRequest& tracked, bool padded, RequestFlags flags) {
  if (padded || (flags & kRequestSerialising) != 0) {
    tracked.make_serialising(limits_.request_alignment);
  }
  if ((flags & kRequestNoWait) != 0 && tracker_.has_conflict(tracked)) {
    co_return Status(-EBUSY, id());
  }
  co_await tracker_.wait_for_conflicts(tracked);
  co_return Status();
}

Task<Status> Node::write_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                              RequestFlags flags) {
  count();
  InFlight counted(*this);
  TrackedRequest tracked(tracker_, TrackedType::kWrite, offset, bytes);
  PaddedRequest padded(offset, bytes, limits_.request_alignment);
  Status status = co_await start_write(tracked, padded.needed(), flags);
  if (!status.ok()) {
    co_return status;
  }
  if (!padded.needed()) {
    co_return co_await write_fua(offset, bytes, data, flags);
  }
  status = co_await read_padding(padded);
  if (!status.ok()) {
    co_return status;  // nothing was written: the neighbours keep their bytes (TRK-13)
  }
  const IoSlice wide = padded.widen(data);
  co_return co_await write_fua(padded.offset, padded.bytes, wide.view(), flags);
}

// Fetches the blocks around the caller's bytes. Both ends in one read when they are neighbours.
Task<Status> Node::read_padding(PaddedRequest& padded) {
  if (!padded.allocate(limits_.memory_alignment)) {
    co_return Status(-ENOMEM, id());
  }
  const std::int64_t align = padded.align;
  if (padded.is_one_read()) {
    const iovec all{padded.head_block(), static_cast<std::size_t>(padded.bytes)};
    co_return co_await aligned_read(padded.offset, padded.bytes, IoView(&all, 1), 0);
  }
  if (padded.head != 0) {
    const iovec first{padded.head_block(), static_cast<std::size_t>(align)};
    Status status = co_await aligned_read(padded.offset, align, IoView(&first, 1), 0);
    if (!status.ok()) {
      co_return status;
    }
  }
  if (padded.tail != 0) {
    const iovec last{padded.tail_block(), static_cast<std::size_t>(align)};
    co_return co_await aligned_read(padded.offset + padded.bytes - align, align, IoView(&last, 1),
                                    0);
  }
  co_return Status();
}

// Where the driver has no FUA of its own: one flush after everything was written (FUA-2..4).
Task<Status> Node::write_fua(std::int64_t offset, std::int64_t bytes, IoView data,
                             RequestFlags flags) {
  const RequestFlags supported = driver_->supported_write_flags();
  Status status = co_await write_pieces(offset, bytes, data, flags & supported);
  note_write(offset, bytes, status);
  if (status.ok() && (flags & ~supported & kRequestFua) != 0) {
    status = co_await flush();
  }
  co_return status.at(id());
}

// In order; the first error stops and earlier pieces stay written (RW-10).
Task<Status> Node::write_pieces(std::int64_t offset, std::int64_t bytes, IoView data,
                                RequestFlags flags) {
  if (bytes <= transfer_limit_) {
    co_return co_await driver_->pwritev(offset, bytes, data, flags);
  }
  for (std::int64_t done = 0; done < bytes;) {
    const std::int64_t piece = std::min(bytes - done, transfer_limit_);
    const IoSlice slice(data, static_cast<std::size_t>(done), static_cast<std::size_t>(piece));
    Status status = co_await driver_->pwritev(offset + done, piece, slice.view(), flags);
    if (!status.ok()) {
      co_return status;
    }
    done += piece;
  }
  co_return Status();
}

void Node::note_write(std::int64_t offset, std::int64_t bytes, const Status& status) {
  ++write_generation_;
  const auto end = static_cast<std::uint64_t>(offset + bytes);
  if (end > highest_written_.load(relaxed)) {
    highest_written_.store(end, relaxed);
  }
  if (status.ok() && offset + bytes > length()) {
    set_length(offset + bytes);
    listener_.on_resized(id());
  }
}

}  // namespace blk::block
