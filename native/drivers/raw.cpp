#include "drivers/raw.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

Task<Status> RawDriver::open(block::Node& node, const block::Options& options,
                             block::ErrorReport& report) {
  child_ = node.primary_child();
  foreign_ = Signatures::parse(options.get_string("probed-signatures"));
  return Status(read_window(options, window_, report));
}

Task<Status> RawDriver::reopen_prepare(const block::ReopenRequest& request,
                                       block::ErrorReport& report) {
  return Status(read_window(request.options, pending_, report));
}

int RawDriver::read_window(const block::Options& options, Window& window,
                           block::ErrorReport& report) const {
  Window read;
  read.offset = options.get_int("offset", 0);
  if (options.has("size")) {
    read.size = options.get_int("size", 0);
  }
  if (child_->node->driver().is_sg() && (read.offset != 0 || read.size)) {
    return report.fail(-EINVAL, "raw-window-on-scsi-generic");
  }
  const std::int64_t file_length = child_->node->length();
  if (read.offset < 0 || read.offset > file_length) {
    return report.fail(
        -EINVAL, "raw-offset-beyond-file",
        {{"offset", std::to_string(read.offset)}, {"length", std::to_string(file_length)}});
  }
  if (read.size && (*read.size < 0 || *read.size % block::kSectorSize != 0)) {
    return report.fail(-EINVAL, "raw-size-not-sectors", {{"size", std::to_string(*read.size)}});
  }
  if (read.size && *read.size > file_length - read.offset) {
    return report.fail(-EINVAL, "raw-size-beyond-file",
                       {{"offset", std::to_string(read.offset)},
                        {"size", std::to_string(*read.size)},
                        {"length", std::to_string(file_length)}});
  }
  window = read;
  return 0;
}

block::Limits RawDriver::limits() const {
  block::Limits limits;
  limits.request_alignment = foreign_.empty() ? 1 : block::kSectorSize;
  return limits;
}

// Requests of such a node are aligned to sectors, so the first sector comes whole.
bool RawDriver::disguises(std::int64_t offset, const block::IoView& data,
                          std::int64_t bytes) const {
  if (foreign_.empty() || offset >= block::kSectorSize || bytes < block::kSectorSize) {
    return false;
  }
  std::array<std::byte, block::kSectorSize> header{};
  block::copy_to_linear(header.data(), data, header.size());
  return foreign_.match(header);
}

// When the file shrank under us, what is left of the window; below the offset, nothing (RAW-4).
Task<std::int64_t> RawDriver::length() {
  const std::int64_t file_length = co_await child_->node->current_length();
  if (file_length < 0) {
    co_return file_length;
  }
  const std::int64_t left = std::max<std::int64_t>(0, file_length - window_.offset);
  co_return window_.size ? std::min(*window_.size, left) : left;
}

int RawDriver::check_window(std::int64_t offset, std::int64_t bytes, int error) const {
  if (window_.size && (offset > *window_.size || bytes > *window_.size - offset)) {
    return error;
  }
  return offset > block::kMaxLength - window_.offset ? -EINVAL : 0;
}

Task<Status> RawDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                               block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -EINVAL); error != 0) {
    return Status(error);
  }
  if (child_->node->hears_debug_events()) {
    return read_told(offset + window_.offset, bytes, data, flags);
  }
  return child_->node->preadv(*child_, offset + window_.offset, bytes, data, flags);
}

Task<Status> RawDriver::read_told(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) {
  Status status = co_await child_->node->debug_event(block::DebugEvent::kReadAio);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await child_->node->preadv(*child_, offset, bytes, data, flags);
}

Task<Status> RawDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  if (disguises(offset, data, bytes)) {
    return Status(-EPERM);
  }
  if (child_->node->hears_debug_events()) {
    return write_told(offset + window_.offset, bytes, data, flags);
  }
  return child_->node->pwritev(*child_, offset + window_.offset, bytes, data, flags);
}

Task<Status> RawDriver::write_told(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) {
  Status status = co_await child_->node->debug_event(block::DebugEvent::kWriteAio);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await child_->node->pwritev(*child_, offset, bytes, data, flags);
}

// One that is refused, told of or looked at goes the long way.
block::DirectStep RawDriver::direct_step(const block::Transfer& transfer) const {
  const bool looks = transfer.is_write && !foreign_.empty() && transfer.offset < block::kSectorSize;
  if (looks || child_->node->hears_debug_events() ||
      check_window(transfer.offset, transfer.bytes, -EINVAL) != 0) {
    return {};
  }
  return {block::Passage::kChild, child_, transfer.offset + window_.offset};
}

Task<Status> RawDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                      block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  return block::pwrite_zeroes_to_child(*child_, offset + window_.offset, bytes, flags);
}

Task<Status> RawDriver::copy_range_from(block::CopyRange copy) {
  if (int error = check_window(copy.source_offset, copy.bytes, -EINVAL); error != 0) {
    return Status(error);
  }
  copy.source = child_;
  copy.source_offset += window_.offset;
  return child_->node->copy_range_from(copy);
}

Task<Status> RawDriver::copy_range_to(block::CopyRange copy) {
  if (int error = check_window(copy.target_offset, copy.bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  copy.target = child_;
  copy.target_offset += window_.offset;
  return child_->node->copy_range_to(copy);
}

Task<Status> RawDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  return child_->node->pdiscard(*child_, offset + window_.offset, bytes);
}

Task<Status> RawDriver::truncate(block::TruncateRequest request, block::ErrorReport& report) {
  if (window_.size) {
    return Status(report.fail(-ENOTSUP, "raw-fixed-size"));
  }
  if (request.size > block::kMaxLength - window_.offset) {
    return Status(report.fail(-EINVAL, "truncate-too-large"));
  }
  request.size += window_.offset;
  return child_->node->truncate(*child_, request, report);
}

Task<std::int64_t> RawDriver::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  if ((window_.offset != 0 || window_.size)) {
    return std::int64_t{-ENOTSUP};
  }
  return FilterDriver::ioctl(request, data, bytes);
}

Task<std::int64_t> RawDriver::sg_io(block::SgIo& command) {
  if (has_window()) {
    return std::int64_t{-ENOTSUP};
  }
  return FilterDriver::sg_io(command);
}

// A window that begins inside a block has other blocks than its file (MISC-9).
Task<Status> RawDriver::probe_block_sizes(block::BlockSizes& sizes) {
  Status status = co_await FilterDriver::probe_block_sizes(sizes);
  const std::int64_t larger = std::max({sizes.physical, sizes.logical, 1U});
  co_return status.ok() && window_.offset % larger != 0 ? Status(-ENOTSUP) : status;
}

Task<Status> RawDriver::probe_geometry(block::Geometry& geometry) {
  if (has_window()) {
    return Status(-ENOTSUP);
  }
  return FilterDriver::probe_geometry(geometry);
}

Task<block::BlockStatus> RawDriver::block_status(bool want_zero, std::int64_t offset,
                                                 std::int64_t bytes) {
  return child_->node->block_status(want_zero, offset + window_.offset, bytes);
}

}  // namespace blk::drivers
