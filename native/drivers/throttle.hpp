// Driver "throttle": a filter that lets requests through as a throttle group permits. Unlike a
// backend it throttles discards too, as writes (TQ-14).
#pragma once

#include <optional>

#include "block/driver.hpp"
#include "throttle/member.hpp"

namespace blk::drivers {

class ThrottleDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "throttle"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  bool has_compressed_write() const override { return true; }
  aio::Task<block::Status> pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                              block::IoView data) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;

  throttle::Member* throttle() override { return &*member_; }
  bool has_drain_hooks() const override { return true; }
  void drained_begin() override { member_->bypass_begin(); }
  void drained_end() override { member_->bypass_end(); }
  /// Another group: lib/ joins it when all has been committed.
  bool has_reopen() const override { return true; }
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& /*request*/,
                                          block::ErrorReport& /*report*/) override {
    return block::Status();
  }
  void attach_context(aio::AioContext& context) override { member_->move_to(context); }

 private:
  /// Set by open(): a member needs its context.
  std::optional<throttle::Member> member_;
};

}  // namespace blk::drivers
