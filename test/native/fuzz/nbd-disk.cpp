#include "fuzz/nbd-disk.hpp"

#include <algorithm>
#include <cerrno>

namespace blk::fuzz {

using aio::Task;
using block::Status;

namespace {

/// A stretch of the disk that is alike for block status, in bytes.
constexpr std::int64_t kStretch = 48 * 1024;

Status result_of(std::int64_t offset, std::int64_t bytes) {
  return offset < kBadEnd && offset + bytes > kBadStart ? Status(-EIO) : Status();
}

}  // namespace

std::uint64_t digest_of(const std::uint8_t* data, std::size_t bytes) {
  std::uint64_t digest = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < bytes; ++i) {
    digest = (digest ^ data[i]) * 0x100000001b3;
  }
  return digest;
}

const Bytes& disk_pattern() {
  static const Bytes pattern = [] {
    Bytes bytes(kDiskBytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i * 0x9e3779b97f4a7c15 >> 56);
    }
    return bytes;
  }();
  return pattern;
}

void PatternDisk::release() {
  manner_ = Manner::kLater;
  held_.wake_all(*context_);
}

Task<Status> PatternDisk::open(block::Node& node, const block::Options& /*options*/,
                               block::ErrorReport& /*report*/) {
  context_ = &node.context();
  return Status();
}

Task<Status> PatternDisk::wait_for_turn(std::int64_t offset) {
  if (manner_ == Manner::kAtOnce || (manner_ == Manner::kMixed && (offset >> 9) % 2 == 0)) {
    return Status();
  }
  return wait_slowly(manner_ == Manner::kHeld);
}

Task<Status> PatternDisk::wait_slowly(bool until_released) {
  if (until_released) {
    co_await held_.wait();
  } else {
    aio::Reschedule bottom_half(*context_);
    co_await bottom_half;
  }
  co_return Status();
}

Task<Status> PatternDisk::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                 block::RequestFlags /*flags*/) {
  co_await wait_for_turn(offset);
  const Status status = result_of(offset, bytes);
  if (status.ok()) {
    const auto* from = reinterpret_cast<const std::byte*>(disk_pattern().data() + offset);
    block::copy_from_linear(data, from, static_cast<std::size_t>(bytes));
  }
  co_return status;
}

Task<Status> PatternDisk::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) {
  // What CACHE brings up from below is nobody's write.
  if ((flags & block::kRequestWriteUnchanged) == 0) {
    note_write(offset, bytes, data);
  }
  co_await wait_for_turn(offset);
  co_return result_of(offset, bytes);
}

void PatternDisk::note_write(std::int64_t offset, std::int64_t bytes, const block::IoView& data) {
  Bytes written(static_cast<std::size_t>(bytes));
  block::copy_to_linear(reinterpret_cast<std::byte*>(written.data()), data, written.size());
  writes_.push_back({static_cast<std::uint64_t>(offset), written.size(),
                     digest_of(written.data(), written.size())});
}

Task<Status> PatternDisk::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                        block::RequestFlags /*flags*/) {
  co_await wait_for_turn(offset);
  co_return result_of(offset, bytes);
}

Task<Status> PatternDisk::pdiscard(std::int64_t offset, std::int64_t /*bytes*/) {
  return wait_for_turn(offset);
}

Task<Status> PatternDisk::flush_to_disk() { return wait_for_turn(512); }

Task<block::BlockStatus> PatternDisk::block_status(bool /*want_zero*/, std::int64_t offset,
                                                   std::int64_t bytes) {
  const std::int64_t stretch = offset / kStretch;
  block::BlockStatus status =
      block::BlockStatus::data_at(offset, std::min(bytes, (stretch + 1) * kStretch - offset));
  status.data = stretch % 2 == 0;
  status.zero = stretch % 2 != 0;
  status.allocated = stretch % 3 != 0;
  return status;
}

}  // namespace blk::fuzz
