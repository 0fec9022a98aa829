// Driver "raw": the bytes of its file as they are, or a window of them.
#pragma once

#include <cstdint>
#include <optional>

#include "block/driver.hpp"
#include "drivers/signatures.hpp"

namespace blk::drivers {

/// Without offset and size a filter; with them every request is shifted and bounded (RAW-1..5).
///
/// An image that was only guessed to be raw must not become one of another format by what a guest
/// writes: whoever probes it next would read what the guest made up, names of host files among it.
/// Its first sector is written whole, and not so that it looks like another format (RAW-7).
class RawDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "raw"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  bool has_reopen() const override { return true; }
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& request,
                                          block::ErrorReport& report) override;
  void reopen_commit() override { window_ = pending_; }
  block::Limits limits() const override;
  aio::Task<std::int64_t> length() override;

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  block::DirectStep direct_step(const block::Transfer& transfer) const override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> copy_range_from(block::CopyRange copy) override;
  aio::Task<block::Status> copy_range_to(block::CopyRange copy) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& report) override;
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  aio::Task<std::int64_t> sg_io(block::SgIo& command) override;
  aio::Task<block::Status> probe_block_sizes(block::BlockSizes& sizes) override;
  aio::Task<block::Status> probe_geometry(block::Geometry& geometry) override;
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;

 private:
  bool has_window() const { return window_.offset != 0 || window_.size.has_value(); }
  /// The part of the file that is shown.
  struct Window {
    std::int64_t offset = 0;
    std::optional<std::int64_t> size;
  };

  /// The file hears of the request before it comes.
  aio::Task<block::Status> read_told(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                     block::RequestFlags flags);
  aio::Task<block::Status> write_told(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                      block::RequestFlags flags);
  int read_window(const block::Options& options, Window& window, block::ErrorReport& report) const;
  /// 0, or `error` when the range leaves the window.
  int check_window(std::int64_t offset, std::int64_t bytes, int error) const;

  /// The write would make the image look like one of another format.
  bool disguises(std::int64_t offset, const block::IoView& data, std::int64_t bytes) const;

  Window window_;
  Window pending_;
  Signatures foreign_;  // of other formats, when this one was guessed
};

}  // namespace blk::drivers
