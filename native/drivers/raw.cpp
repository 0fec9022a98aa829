#include "drivers/raw.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

Task<Status> RawDriver::open(block::Node& node, const block::Options& options,
                             block::ErrorReport& report) {
  child_ = node.primary_child();
  offset_ = options.get_int("offset", 0);
  if (options.has("size")) {
    size_ = options.get_int("size", 0);
  }
  const std::int64_t file_length = child_->node->length();
  if (offset_ < 0 || offset_ > file_length) {
    return Status(report.fail(
        -EINVAL, "raw-offset-beyond-file",
        {{"offset", std::to_string(offset_)}, {"length", std::to_string(file_length)}}));
  }
  if (size_ && (*size_ < 0 || *size_ % block::kSectorSize != 0)) {
    return Status(report.fail(-EINVAL, "raw-size-not-sectors", {{"size", std::to_string(*size_)}}));
  }
  if (size_ && *size_ > file_length - offset_) {
    return Status(report.fail(-EINVAL, "raw-size-beyond-file",
                              {{"offset", std::to_string(offset_)},
                               {"size", std::to_string(*size_)},
                               {"length", std::to_string(file_length)}}));
  }
  return Status();
}

// When the file shrank under us, what is left of the window; below the offset, nothing (RAW-4).
Task<std::int64_t> RawDriver::length() {
  const std::int64_t file_length = co_await child_->node->current_length();
  if (file_length < 0) {
    co_return file_length;
  }
  const std::int64_t left = std::max<std::int64_t>(0, file_length - offset_);
  co_return size_ ? std::min(*size_, left) : left;
}

int RawDriver::check_window(std::int64_t offset, std::int64_t bytes, int error) const {
  if (size_ && (offset > *size_ || bytes > *size_ - offset)) {
    return error;
  }
  return offset > block::kMaxLength - offset_ ? -EINVAL : 0;
}

Task<Status> RawDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                               block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -EINVAL); error != 0) {
    return Status(error);
  }
  return child_->node->preadv(*child_, offset + offset_, bytes, data, flags);
}

Task<Status> RawDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  return child_->node->pwritev(*child_, offset + offset_, bytes, data, flags);
}

Task<Status> RawDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                      block::RequestFlags flags) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  return block::pwrite_zeroes_to_child(*child_, offset + offset_, bytes, flags);
}

Task<Status> RawDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  if (int error = check_window(offset, bytes, -ENOSPC); error != 0) {
    return Status(error);
  }
  return child_->node->pdiscard(*child_, offset + offset_, bytes);
}

Task<Status> RawDriver::truncate(block::TruncateRequest request, block::ErrorReport& report) {
  if (size_) {
    return Status(report.fail(-ENOTSUP, "raw-fixed-size"));
  }
  if (request.size > block::kMaxLength - offset_) {
    return Status(report.fail(-EINVAL, "truncate-too-large"));
  }
  request.size += offset_;
  return child_->node->truncate(*child_, request, report);
}

Task<std::int64_t> RawDriver::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  if (is_windowed()) {
    return std::int64_t{-ENOTSUP};
  }
  return FilterDriver::ioctl(request, data, bytes);
}

Task<block::BlockStatus> RawDriver::block_status(bool want_zero, std::int64_t offset,
                                                 std::int64_t bytes) {
  return child_->node->block_status(want_zero, offset + offset_, bytes);
}

}  // namespace blk::drivers
