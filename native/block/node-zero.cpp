// Zero-writes and discards: piecewise by the driver's preferences.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "block/node.hpp"
#include "block/padding.hpp"

namespace blk::block {

using aio::Task;

namespace {

constexpr std::int64_t kMaxBounce = 16 << 20;  // zero-writes without driver support (ZERO-4)

/// `align` is what a driver prefers, which need not be a power of two.
std::int64_t aligned_limit(std::int64_t limit, std::int64_t align) {
  const std::int64_t most = limit > 0 ? std::max(limit, align) : INT64_MAX;
  return most - most % align;
}

/// Cuts a range into the driver's preferred blocks: a misaligned head and tail become pieces of
/// their own that never cross a block, the middle is cut at `limit` (ZERO-5..7).
class ZeroPieces {
 public:
  ZeroPieces(std::int64_t offset, std::int64_t bytes, std::int64_t align, std::int64_t limit)
      : offset_(offset), end_(offset + bytes), align_(align), limit_(limit) {}

  bool done() const { return offset_ == end_; }
  std::int64_t offset() const { return offset_; }
  std::int64_t next() const {
    const std::int64_t left = end_ - offset_;
    if (const std::int64_t head = offset_ % align_; head != 0) {
      return std::min(left, align_ - head);
    }
    const std::int64_t tail = end_ % align_;
    return std::min(left > align_ ? left - tail : left, limit_);
  }
  void advance(std::int64_t bytes) { offset_ += bytes; }

 private:
  std::int64_t offset_;
  std::int64_t end_;
  std::int64_t align_;
  std::int64_t limit_;
};

/// As above for discards, where pieces below the request alignment come first and last (DISC-7).
class DiscardPieces {
 public:
  DiscardPieces(std::int64_t offset, std::int64_t bytes, std::int64_t request_align,
                std::int64_t align, std::int64_t limit)
      : offset_(offset),
        end_(offset + bytes),
        request_align_(request_align),
        align_(align),
        limit_(limit) {}

  bool done() const { return offset_ == end_; }
  std::int64_t offset() const { return offset_; }
  std::int64_t next() const {
    const std::int64_t left = end_ - offset_;
    if (const std::int64_t odd = offset_ % request_align_; odd != 0) {
      return std::min(left, request_align_ - odd);
    }
    std::int64_t piece = left;
    if (const std::int64_t head = offset_ % align_; head != 0) {
      piece = std::min(left, align_ - head);
    } else if (left > align_) {
      piece = left - end_ % align_;
    }
    if (piece > request_align_) {
      piece -= piece % request_align_;
    }
    return std::min(piece, limit_);
  }
  void advance(std::int64_t bytes) { offset_ += bytes; }

 private:
  std::int64_t offset_;
  std::int64_t end_;
  std::int64_t request_align_;
  std::int64_t align_;
  std::int64_t limit_;
};

}  // namespace

Task<Status> Node::pwrite_zeroes(const Edge& via, std::int64_t offset, std::int64_t bytes,
                                 RequestFlags flags) {
  if (Status status = check_writable(via, flags); !status.ok()) {
    return status;
  }
  if (Status status = check_range(offset, bytes); !status.ok()) {
    return status;
  }
  if (Status status = check_growth(via, offset, bytes); !status.ok()) {
    return status;
  }
  if ((flags & kRequestNoFallback) != 0 &&
      (!is_request_aligned(offset, bytes) ||
       (driver_->supported_zero_flags() & kRequestNoFallback) == 0)) {
    return Status(-ENOTSUP, id());
  }
  if (bytes == 0) {
    return Status();
  }
  return zero_slow(offset, bytes, flags);
}

Task<Status> Node::zero_slow(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  count();
  InFlight counted(*this);
  // Beyond the end it grows the node, so whatever comes after it must wait (ZERO-13).
  const bool grows = offset + bytes > length();
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kWrite, offset,
                         grows ? kMaxLength - offset : bytes);
  const bool padded = !is_request_aligned(offset, bytes);
  Status status = co_await start_write(tracked, padded || grows, flags);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await zero_fua(offset, bytes, flags);
}

// Zeroes, and one flush where the driver has no FUA of its own.
Task<Status> Node::zero_fua(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  // Before, so that nobody takes it for data, and after, as an answer may come in between.
  data_cache_.drop(offset, bytes);
  const RequestFlags emulated =
      flags & kRequestFua & ~(driver_->supported_zero_flags() & driver_->supported_write_flags());
  flags &= ~emulated;
  Status status;
  // Not `aligned ? co_await a : co_await b`: GCC 12 would await both.
  if (is_request_aligned(offset, bytes)) {
    status = co_await aligned_zero(offset, bytes, flags);
  } else {
    status = co_await zero_padded(offset, bytes, flags);
  }
  data_cache_.drop(offset, bytes);
  if (status.ok() && emulated != 0) {
    status = co_await flush();
  }
  co_return status.at(id());
}

// Partial blocks are read, modified and written with plain writes; only whole blocks are zeroed.
Task<Status> Node::zero_padded(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  PaddedRequest padded(offset, bytes, limits_.request_alignment);
  Status status = co_await read_padding(padded);
  if (!status.ok()) {
    co_return status;
  }
  const RequestFlags write_flags = flags & driver_->supported_write_flags();
  const std::int64_t align = padded.align;
  const bool one_block = padded.bytes == align;
  std::int64_t middle = padded.offset;
  std::int64_t end = padded.offset + padded.bytes;
  if (padded.head != 0 || one_block) {
    const std::int64_t zeroes = std::min(bytes, align - padded.head);
    std::memset(padded.head_block() + padded.head, 0, static_cast<std::size_t>(zeroes));
    const iovec block{padded.head_block(), static_cast<std::size_t>(align)};
    status = co_await write_block(padded.offset, IoView(&block, 1), write_flags);
    middle += align;
  }
  if (padded.tail != 0 && !one_block) {
    end -= align;
  }
  if (status.ok() && end > middle) {
    status = co_await aligned_zero(middle, end - middle, flags);
  }
  if (status.ok() && padded.tail != 0 && !one_block) {
    std::memset(padded.tail_block(), 0, static_cast<std::size_t>(align - padded.tail));
    const iovec block{padded.tail_block(), static_cast<std::size_t>(align)};
    status = co_await write_block(end, IoView(&block, 1), write_flags);
  }
  co_return status;
}

Task<Status> Node::write_block(std::int64_t offset, IoView block, RequestFlags flags) {
  const std::int64_t align = limits_.request_alignment;
  Status status = co_await debug_event(DebugEvent::kPwritev);
  if (!status.ok()) {
    co_return status;
  }
  check_write_threshold(offset, align);
  status = co_await driver_->pwritev(offset, align, block, flags);
  co_return co_await write_done(offset, align, status);
}

Task<Status> Node::aligned_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  Status status = co_await debug_event(DebugEvent::kPwritevZero);
  if (!status.ok()) {
    co_return status;
  }
  check_write_threshold(offset, bytes);
  status = co_await zero_pieces(offset, bytes, flags);
  co_return co_await write_done(offset, bytes, status);
}

Task<Status> Node::zero_pieces(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  const std::int64_t align =
      std::max<std::int64_t>(limits_.write_zeroes_alignment, limits_.request_alignment);
  ZeroPieces pieces(offset, bytes, align, aligned_limit(limits_.max_write_zeroes, align));
  Status status;
  while (status.ok() && !pieces.done()) {
    std::int64_t piece = pieces.next();
    status = co_await driver_->pwrite_zeroes(pieces.offset(), piece,
                                             flags & driver_->supported_zero_flags());
    if (status.error == -ENOTSUP && (flags & kRequestNoFallback) == 0) {
      piece = std::min({piece, transfer_limit_, kMaxBounce});
      status = co_await bounce_zero(pieces.offset(), piece, flags);
    }
    if (status.ok()) {
      pieces.advance(piece);
    }
  }
  co_return status;
}

Task<Status> Node::bounce_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags) {
  aio::AlignedBuffer zeroes =
      aio::AlignedBuffer::allocate(static_cast<std::size_t>(bytes), limits_.memory_alignment);
  if (!zeroes) {
    co_return Status(-ENOMEM, id());
  }
  std::memset(zeroes.data(), 0, zeroes.size());
  const iovec all{zeroes.data(), zeroes.size()};
  co_return co_await driver_->pwritev(offset, bytes, IoView(&all, 1),
                                      flags & driver_->supported_write_flags());
}

Task<Status> Node::pdiscard(const Edge& via, std::int64_t offset, std::int64_t bytes) {
  if (Status status = check_range(offset, bytes); !status.ok()) {
    return status;
  }
  if (!options_.state.discard_unmap || !driver_->has_discard() || bytes == 0) {
    return Status();  // a discard is a hint: where it is off or impossible it succeeds (DISC-2)
  }
  if (Status status = check_writable(via, 0); !status.ok()) {
    return status;
  }
  return discard_slow(offset, bytes);
}

Task<Status> Node::discard_slow(std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  const aio::Frame* frame = co_await aio::ThisFrame();
  TrackedRequest tracked(tracker_, frame, TrackedType::kDiscard, offset, bytes);
  const int conflict = co_await tracker_.wait_for_conflicts(tracked);
  if (conflict != 0) {
    co_return Status(conflict, id());
  }
  data_cache_.drop(offset, bytes);
  const std::int64_t request_align = limits_.request_alignment;
  const std::int64_t align = std::max<std::int64_t>(limits_.discard_alignment, request_align);
  DiscardPieces pieces(offset, bytes, request_align, align,
                       aligned_limit(limits_.max_discard, align));
  check_write_threshold(offset, bytes);
  Status status;
  while (!pieces.done()) {
    const std::int64_t piece = pieces.next();
    status = co_await driver_->pdiscard(pieces.offset(), piece);
    if (!status.ok() && status.error != -ENOTSUP) {
      break;
    }
    status = Status();  // ENOTSUP for one piece does not stop the others (DISC-4)
    pieces.advance(piece);
  }
  data_cache_.drop(offset, bytes);
  note_change(offset, bytes);
  co_return status.at(id());
}

}  // namespace blk::block
