// Driver "raw": the bytes of its file as they are, or a window of them.
#pragma once

#include <cstdint>
#include <optional>

#include "block/driver.hpp"

namespace blk::drivers {

/// Without offset and size a filter; with them every request is shifted and bounded (RAW-1..5).
class RawDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "raw"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<std::int64_t> length() override;

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& report) override;
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;

 private:
  bool is_windowed() const { return offset_ != 0 || size_.has_value(); }
  /// 0, or `error` when the range leaves the window.
  int check_window(std::int64_t offset, std::int64_t bytes, int error) const;

  std::int64_t offset_ = 0;
  std::optional<std::int64_t> size_;
};

}  // namespace blk::drivers
