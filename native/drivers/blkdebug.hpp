// Driver "blkdebug": a filter that fails requests by rules, stops them at breakpoints, and pretends
// to have limits that it checks. (block/blkdebug.c)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "block/driver.hpp"
#include "drivers/blkdebug-limits.hpp"
#include "drivers/blkdebug-rules.hpp"
#include "drivers/held-requests.hpp"

namespace blk::drivers {

class BlkdebugDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "blkdebug"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  block::Limits limits() const override { return limits_; }

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  /// ENOTSUP below the preferred size, so that the node writes zeroes instead (TDRV-7).
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  /// ENOTSUP below the request alignment.
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override { return inject(IoType::kFlush, 0, 0); }
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;

  bool has_reopen() const override { return true; }
  /// None of its options can change, so there is nothing to do.
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& /*request*/,
                                          block::ErrorReport& /*report*/) override {
    return block::Status();
  }

  bool hears_debug_events() const override { return true; }
  aio::Task<block::Status> debug_event(block::DebugEvent event) override;

  /// break EVENT:TAG       the next request that comes to the event stops there, once
  /// remove-break TAG      no breakpoints of the tag, and nothing waits there; ENOENT: none did
  /// resume TAG            the first request that waits there goes on; ENOENT: none does
  /// suspended TAG         how many requests wait there
  /// state                 of the rules
  /// events EVENT          how often it has happened
  /// violations            requests that did not keep to the limits
  std::int64_t control(const std::string& command, const std::string& argument) override;

 private:
  struct Breakpoint {
    block::DebugEvent event;
    std::string tag;
  };

  /// Fails by the rule that matches, if any does; on the spot or after a trip through the loop.
  aio::Task<block::Status> inject(IoType type, std::int64_t offset, std::int64_t bytes);
  aio::Task<block::Status> fail_later(int error);
  aio::Task<block::Status> suspend(std::vector<std::string> tags);
  /// Counts what must not happen. EIO, so that it is noticed.
  bool violates(bool within);

  std::int64_t add_breakpoint(const std::string& argument);
  std::int64_t remove_breakpoints(const std::string& tag);
  std::int64_t count_events(const std::string& name) const;

  block::Node* node_ = nullptr;
  block::Limits limits_;
  BlkdebugRules rules_;
  std::vector<Breakpoint> breakpoints_;
  HeldRequests suspended_;
  std::array<std::int64_t, block::kDebugEvents> events_{};
  std::int64_t violations_ = 0;
};

}  // namespace blk::drivers
