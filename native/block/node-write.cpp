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
  if ((flags & kRequestCompressed) != 0 && !driver_->has_compressed_write()) {
    return Status(-ENOTSUP, id());
  }
  if (Status status = check_growth(via, offset, bytes); !status.ok()) {
    return status;
  }
  if (bytes == 0) {
    return Status();
  }
  if (!is_simple(offset, bytes) || !is_plain_write(flags)) {
    return write_slow(offset, bytes, data, flags);
  }
  check_write_threshold(offset, bytes);
  Task<Status> io = driver_->pwritev(offset, bytes, data, flags & driver_->supported_write_flags());
  if (io.is_ready()) {
    Status status = io.take().at(id());
    note_write(offset, bytes, status);
    return status;
  }
  return finish_write(std::move(io), offset, bytes);
}

bool Node::is_plain_write(RequestFlags flags) const {
  constexpr RequestFlags kPlain = kRequestMayUnmap | kRequestWriteUnchanged;
  return !detects_zeroes(flags) && !hears_debug_events_ &&
         (flags & ~(kPlain | driver_->supported_write_flags())) == 0;
}

bool Node::detects_zeroes(RequestFlags flags) const {
  return options_.state.detect_zeroes != DetectZeroes::kOff && (flags & kRequestCompressed) == 0 &&
         driver_->has_efficient_zero_write();
}

Task<Status> Node::finish_write(Task<Status> io, std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kWrite, offset, bytes);
  Status status = co_await io;
  note_write(offset, bytes, status);
  co_return status.at(id());
}

// Registers what kind of write this is and waits until it may run.
Task<Status> Node::start_write(TrackedRequest& tracked, bool serialises, RequestFlags flags) {
  if (serialises) {
    tracked.make_serialising(limits_.request_alignment);
  }
  if ((flags & kRequestSerialising) != 0) {
    tracked.make_serialising(cluster_unit());
  }
  if ((flags & kRequestNoWait) != 0 && tracker_.has_conflict(tracked)) {
    co_return Status(-EBUSY, id());
  }
  const int conflict = co_await tracker_.wait_for_conflicts(tracked);
  if (conflict != 0) {
    co_return Status(conflict, id());
  }
  co_return Status();
}

Task<Status> Node::write_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                              RequestFlags flags) {
  count();
  InFlight counted(*this);
  // As a zero-write it may set the length, so what comes after it must wait (ZERO-13).
  const bool grows = detects_zeroes(flags) && offset + bytes > length();
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kWrite, offset,
                         grows ? kMaxLength - offset : bytes);
  PaddedRequest padded(offset, bytes, limits_.request_alignment);
  Status status = co_await start_write(tracked, padded.needed() || grows, flags);
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
    co_return co_await read_ends(padded.offset, all, padded.head != 0, padded.tail != 0);
  }
  if (padded.head != 0) {
    const iovec first{padded.head_block(), static_cast<std::size_t>(align)};
    Status status = co_await read_ends(padded.offset, first, true, false);
    if (!status.ok()) {
      co_return status;
    }
  }
  if (padded.tail != 0) {
    const iovec last{padded.tail_block(), static_cast<std::size_t>(align)};
    co_return co_await read_ends(padded.offset + padded.bytes - align, last, false, true);
  }
  co_return Status();
}

// One read of a read-modify-write, for the head, the tail or both.
Task<Status> Node::read_ends(std::int64_t offset, iovec into, bool head, bool tail) {
  Status status;
  if (head) {
    status = co_await debug_event(DebugEvent::kPwritevRmwHead);
  }
  if (tail && status.ok()) {
    status = co_await debug_event(DebugEvent::kPwritevRmwTail);
  }
  if (status.ok()) {
    const IoView view(&into, 1);
    status = co_await aligned_read(offset, static_cast<std::int64_t>(into.iov_len), view, 0);
  }
  if (head && status.ok()) {
    status = co_await debug_event(DebugEvent::kPwritevRmwAfterHead);
  }
  if (tail && status.ok()) {
    status = co_await debug_event(DebugEvent::kPwritevRmwAfterTail);
  }
  co_return status.at(id());
}

// Where the driver has no FUA of its own: one flush after everything was written (FUA-2..4). Not
// after a compressed write, as in QEMU (FUA-8).
Task<Status> Node::write_fua(std::int64_t offset, std::int64_t bytes, IoView data,
                             RequestFlags flags) {
  if ((flags & kRequestCompressed) != 0) {
    check_write_threshold(offset, bytes);
    Status written = co_await driver_->pwritev_compressed(offset, bytes, data);
    note_write(offset, bytes, written);
    co_return written.at(id());
  }
  if (detects_zeroes(flags) && is_all_zero(data)) {
    const bool unmap = options_.state.detect_zeroes == DetectZeroes::kUnmap;
    const RequestFlags zero_flags = unmap ? flags | kRequestMayUnmap : flags;
    co_return co_await zero_fua(offset, bytes, zero_flags);
  }
  const RequestFlags supported = driver_->supported_write_flags();
  Status status = co_await debug_event(DebugEvent::kPwritev);
  if (!status.ok()) {
    co_return status.at(id());
  }
  check_write_threshold(offset, bytes);
  status = co_await write_pieces(offset, bytes, data, flags & supported);
  status = co_await write_done(offset, bytes, status);
  if (status.ok() && (flags & ~supported & kRequestFua) != 0) {
    status = co_await flush();
  }
  co_return status.at(id());
}

// The end of a write, which may have failed already.
Task<Status> Node::write_done(std::int64_t offset, std::int64_t bytes, Status written) {
  Status told = co_await debug_event(DebugEvent::kPwritevDone);
  note_write(offset, bytes, written);
  co_return written.ok() ? told : written;
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
  // First, so that what a growing write added can be marked.
  if (status.ok() && offset + bytes > length()) {
    set_length(offset + bytes);
    dirty_bitmaps_.resize(length());
    listener_.on_resized(id());
  }
  note_change(offset, bytes);
  const auto end = static_cast<std::uint64_t>(offset + bytes);
  if (end > highest_written_.load(relaxed)) {
    highest_written_.store(end, relaxed);
  }
}

}  // namespace blk::block
