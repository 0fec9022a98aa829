#include "drivers/blkdebug.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>

#include "block/node.hpp"
#include "drivers/text.hpp"

namespace blk::drivers {

using aio::Task;
using block::DebugEvent;
using block::Status;

Task<Status> BlkdebugDriver::open(block::Node& node, const block::Options& options,
                                  block::ErrorReport& report) {
  node_ = &node;
  child_ = node.primary_child();
  const std::uint32_t below = child_->node->limits().request_alignment;
  if (int error = read_blkdebug_limits(options, below, limits_, report); error != 0) {
    return Status(error);
  }
  if (!rules_.parse(options.get_string("rules"))) {
    return Status(report.fail(-EINVAL, "option-invalid",
                              {{"option", "rules"}, {"value", options.get_string("rules")}}));
  }
  return debug_event(DebugEvent::kNone);
}

// --- requests

bool BlkdebugDriver::violates(bool within) {
  violations_ += within ? 0 : 1;
  return !within;
}

Task<Status> BlkdebugDriver::inject(IoType type, std::int64_t offset, std::int64_t bytes) {
  const std::optional<BlkdebugRules::Injection> rule = rules_.take(type, offset, bytes);
  if (!rule || rule->error == 0) {
    return Status();
  }
  return rule->immediately ? Task<Status>(Status(rule->error)) : fail_later(rule->error);
}

Task<Status> BlkdebugDriver::fail_later(int error) {
  aio::Reschedule bottom_half(node_->context());
  co_await bottom_half;
  co_return Status(error);
}

Task<Status> BlkdebugDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                    block::RequestFlags flags) {
  if (violates(is_transfer_within(node_->limits(), offset, bytes))) {
    co_return Status(-EIO);
  }
  Status status = co_await inject(IoType::kRead, offset, bytes);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await FilterDriver::preadv(offset, bytes, data, flags);
}

Task<Status> BlkdebugDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                     block::RequestFlags flags) {
  if (violates(is_transfer_within(node_->limits(), offset, bytes))) {
    co_return Status(-EIO);
  }
  Status status = co_await inject(IoType::kWrite, offset, bytes);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await FilterDriver::pwritev(offset, bytes, data, flags);
}

Task<Status> BlkdebugDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                           block::RequestFlags flags) {
  const block::Limits& limits = node_->limits();
  if (bytes < zero_unit(limits)) {
    co_return Status(-ENOTSUP);
  }
  if (violates(is_zero_within(limits, offset, bytes))) {
    co_return Status(-EIO);
  }
  Status status = co_await inject(IoType::kWriteZeroes, offset, bytes);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await FilterDriver::pwrite_zeroes(offset, bytes, flags);
}

Task<Status> BlkdebugDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  const block::Limits& limits = node_->limits();
  if (bytes < limits.request_alignment) {
    co_return Status(-ENOTSUP);
  }
  if (violates(is_discard_within(limits, offset, bytes))) {
    co_return Status(-EIO);
  }
  Status status = co_await inject(IoType::kDiscard, offset, bytes);
  if (!status.ok()) {
    co_return status;
  }
  co_return co_await FilterDriver::pdiscard(offset, bytes);
}

Task<block::BlockStatus> BlkdebugDriver::block_status(bool want_zero, std::int64_t offset,
                                                      std::int64_t bytes) {
  Status status;
  if (violates(is_aligned_within(node_->limits(), offset, bytes))) {
    status = Status(-EIO);
  } else {
    status = co_await inject(IoType::kBlockStatus, offset, bytes);
  }
  if (!status.ok()) {
    block::BlockStatus failed;
    failed.error = status.error;
    co_return failed;
  }
  co_return co_await FilterDriver::block_status(want_zero, offset, bytes);
}

// --- events and breakpoints

// A breakpoint stops one request. One that meets several waits for each of them.
Task<Status> BlkdebugDriver::debug_event(DebugEvent event) {
  ++events_[static_cast<std::size_t>(event)];
  rules_.happen(event);
  const auto met =
      std::stable_partition(breakpoints_.begin(), breakpoints_.end(),
                            [event](const Breakpoint& other) { return other.event != event; });
  if (met == breakpoints_.end()) {
    return Status();
  }
  std::vector<std::string> tags;
  std::transform(met, breakpoints_.end(), std::back_inserter(tags),
                 [](Breakpoint& breakpoint) { return std::move(breakpoint.tag); });
  breakpoints_.erase(met, breakpoints_.end());
  return suspend(std::move(tags));
}

Task<Status> BlkdebugDriver::suspend(std::vector<std::string> tags) {
  for (const std::string& tag : tags) {
    const int error = co_await suspended_.wait(tag, node_->context());
    if (error != 0) {
      co_return Status(error);
    }
  }
  co_return Status();
}

std::int64_t BlkdebugDriver::control(const std::string& command, const std::string& argument) {
  if (command == "break") {
    return add_breakpoint(argument);
  }
  if (command == "remove-break") {
    return remove_breakpoints(argument);
  }
  if (command == "resume") {
    return suspended_.release_one(argument, node_->context()) ? 0 : -ENOENT;
  }
  if (command == "suspended") {
    return suspended_.count(argument);
  }
  if (command == "state") {
    return rules_.state();
  }
  if (command == "events") {
    return count_events(argument);
  }
  return command == "violations" ? violations_ : -ENOTSUP;
}

std::int64_t BlkdebugDriver::add_breakpoint(const std::string& argument) {
  const auto [name, tag] = split(argument, ':');
  const std::optional<DebugEvent> event = block::debug_event_named(name);
  if (!event) {
    return -EINVAL;
  }
  breakpoints_.push_back({*event, std::string(tag)});
  return 0;
}

std::int64_t BlkdebugDriver::remove_breakpoints(const std::string& tag) {
  const std::size_t removed =
      std::erase_if(breakpoints_, [&tag](const Breakpoint& other) { return other.tag == tag; });
  const std::int64_t resumed = suspended_.release_all(tag, node_->context());
  return removed == 0 && resumed == 0 ? -ENOENT : resumed;
}

std::int64_t BlkdebugDriver::count_events(const std::string& name) const {
  const std::optional<DebugEvent> event = block::debug_event_named(name);
  return event ? events_[static_cast<std::size_t>(*event)] : -EINVAL;
}

}  // namespace blk::drivers
