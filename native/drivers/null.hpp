// Drivers "null-co" and "null-aio": a disk without bytes, for tests and measurements.
#pragma once

#include <cstdint>

#include "block/driver.hpp"

namespace blk::drivers {

/// null-co answers inside the call; null-aio from a bottom half. With latency-ns both answer from a
/// timer of the context (TDRV-1, TDRV-2).
class NullDriver final : public block::Driver {
 public:
  explicit NullDriver(bool answers_later) : answers_later_(answers_later) {}

  const char* name() const override { return answers_later_ ? "null-aio" : "null-co"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  bool has_reopen() const override { return true; }
  /// None of its options can change, so there is nothing to do.
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& /*request*/,
                                          block::ErrorReport& /*report*/) override {
    return block::Status();
  }
  aio::Task<std::int64_t> length() override { return size_; }
  aio::Task<std::int64_t> allocated_size() override { return std::int64_t{0}; }
  block::RequestFlags supported_write_flags() const override { return block::kRequestFua; }

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  block::DirectStep direct_step(const block::Transfer& transfer) const override;
  void start_direct(const block::Transfer& transfer, block::DirectTransfer& direct) override;
  aio::Task<block::Status> flush_to_disk() override { return answer(); }
  bool is_protocol() const override { return true; }
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;
  void attach_context(aio::AioContext& context) override { context_ = &context; }

 private:
  aio::Task<block::Status> answer();
  aio::Task<block::Status> answer_later();

  const bool answers_later_;
  aio::AioContext* context_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t latency_ns_ = 0;
  bool read_zeroes_ = false;
};

}  // namespace blk::drivers
