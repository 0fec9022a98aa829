// Driver "blklogwrites": a filter that writes down in a log what was written, zeroed, discarded and
// flushed, so that the content at any moment can be made again (docs/write-log.md).
#pragma once

#include <cstdint>
#include <memory>

#include "block/driver.hpp"
#include "drivers/write-log.hpp"

namespace blk::drivers {

class BlklogwritesDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "blklogwrites"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  block::Limits limits() const override;
  /// Always of its own: where the file has none, the file's node flushes for it, and the log says
  /// which write was durable and which was only flushed together with others.
  block::RequestFlags supported_write_flags() const override {
    return FilterDriver::supported_write_flags() | block::kRequestFua;
  }
  block::RequestFlags supported_zero_flags() const override {
    return FilterDriver::supported_zero_flags() | block::kRequestFua;
  }

  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override;
  /// What a device's own commands write could not be written down.
  aio::Task<std::int64_t> ioctl(std::uint64_t /*request*/, void* /*data*/,
                                std::size_t /*bytes*/) override {
    return std::int64_t{-ENOTSUP};
  }
  aio::Task<std::int64_t> sg_io(block::SgIo& /*command*/) override {
    return std::int64_t{-ENOTSUP};
  }

  bool has_reopen() const override { return true; }
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& request,
                                          block::ErrorReport& report) override;
  void reopen_commit() override { log_->set_super_interval(pending_interval_); }

  aio::Task<block::Status> inactivate() override;
  aio::Task<block::Status> invalidate() override;

  /// entries: how many are in the log. sector-size: of the log, in bytes.
  std::int64_t control(const std::string& command, const std::string& argument) override;

 private:
  block::Edge* log_edge() const;
  WriteLogEntry entry(std::int64_t offset, std::int64_t bytes, std::uint64_t flags) const;
  /// Takes the record's place now and waits until it is in the log.
  aio::Task<block::Status> log_now(WriteLog::Record& record);

  block::Node* node_ = nullptr;
  std::unique_ptr<WriteLog> log_;
  bool appends_ = false;
  std::uint64_t pending_interval_ = 0;
};

}  // namespace blk::drivers
