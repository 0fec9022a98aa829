#include "drivers/probe.hpp"

#include <algorithm>
#include <cerrno>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

block::Edge* ProbeDriver::primary() const { return node_->primary_child(); }

block::Edge* ProbeDriver::backing() const {
  const auto& children = node_->children();
  const auto found = std::find_if(children.begin(), children.end(), [](const auto& child) {
    return (child->role & block::kChildCow) != 0;
  });
  return found == children.end() ? nullptr : found->get();
}

Task<Status> ProbeDriver::enter(ProbeHook hook) {
  hooks_.count(hook);
  if (holds_.holds(hook)) {
    const int error = co_await holds_.wait(hook, node_->context());
    if (error != 0) {
      co_return Status(error);
    }
  }
  co_return Status(hooks_.take_failure(hook));
}

Task<Status> ProbeDriver::open(block::Node& node, const block::Options& options,
                               block::ErrorReport& report) {
  node_ = &node;
  if (int error = parse_probe_settings(options, settings_, report); error != 0) {
    return Status(error);
  }
  const std::string failures = options.get_string("fail");
  if (int error = plan_failures(hooks_, failures); error != 0) {
    return Status(report.fail(error, "option-invalid", {{"option", "fail"}, {"value", failures}}));
  }
  header_ = options.get_string("backing-filename");
  size_ = settings_.size;
  return Status(hooks_.count_and_take_failure(ProbeHook::kOpen));
}

Task<Status> ProbeDriver::close() {
  hooks_.count(ProbeHook::kClose);
  return Status();
}

block::Limits ProbeDriver::limits() const {
  hooks_.count(ProbeHook::kLimits);
  return settings_.limits;
}

Task<std::int64_t> ProbeDriver::length() {
  block::Edge* child = primary();
  return child != nullptr ? child->node->current_length() : Task<std::int64_t>(size_);
}

bool ProbeDriver::has_variable_length() const {
  const block::Edge* child = primary();
  return settings_.variable_length || (child != nullptr && child->node->has_variable_length());
}

bool ProbeDriver::is_inserted() const {
  const block::Edge* child = primary();
  return child == nullptr || child->node->is_inserted();
}

block::RequestFlags ProbeDriver::supported_write_flags() const {
  const block::Edge* child = primary();
  const block::RequestFlags below =
      child != nullptr ? child->node->driver().supported_write_flags() : 0;
  return block::kRequestWriteUnchanged | (block::kRequestFua & below);
}

block::RequestFlags ProbeDriver::supported_zero_flags() const {
  constexpr block::RequestFlags kMemory = block::kRequestMayUnmap | block::kRequestNoFallback;
  const block::Edge* child = primary();
  const block::RequestFlags flags =
      child != nullptr
          ? (kMemory | block::kRequestFua) & child->node->driver().supported_zero_flags()
          : kMemory;
  return block::kRequestWriteUnchanged | flags;
}

bool ProbeDriver::has_efficient_zero_write() const {
  const block::Edge* child = primary();
  return child == nullptr || child->node->driver().has_efficient_zero_write();
}

Task<Status> ProbeDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                 block::RequestFlags flags) {
  Status status = co_await enter(ProbeHook::kPread);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->preadv(*child, offset, bytes, data, flags);
  }
  co_return co_await read_memory(offset, bytes, data);
}

Task<Status> ProbeDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) {
  Status status = co_await enter(ProbeHook::kPwrite);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->pwritev(*child, offset, bytes, data, flags);
  }
  co_return co_await write_memory(offset, bytes, data);
}

Task<Status> ProbeDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                        block::RequestFlags flags) {
  Status status = co_await enter(ProbeHook::kPwriteZeroes);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await block::pwrite_zeroes_to_child(*child, offset, bytes, flags);
  }
  co_return co_await zero_memory(offset, bytes);
}

// A discarded cluster must not show the backing file again, so without a primary child it is the
// same as a zero-write.
Task<Status> ProbeDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  Status status = co_await enter(ProbeHook::kPdiscard);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->pdiscard(*child, offset, bytes);
  }
  co_return co_await zero_memory(offset, bytes);
}

Task<Status> ProbeDriver::truncate(block::TruncateRequest request, block::ErrorReport& report) {
  Status status = co_await enter(ProbeHook::kTruncate);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->truncate(*child, request, report);
  }
  if (request.preallocation != block::Preallocation::kOff) {
    co_return Status(report.fail(-ENOTSUP, "truncate-unsupported", {{"driver", name()}}));
  }
  co_return co_await truncate_memory(request.size);
}

Task<std::int64_t> ProbeDriver::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  Status status = co_await enter(ProbeHook::kIoctl);
  if (!status.ok()) {
    co_return status.error;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->ioctl(request, data, bytes);
  }
  co_return -ENOTSUP;
}

Task<block::BlockStatus> ProbeDriver::block_status(bool want_zero, std::int64_t offset,
                                                   std::int64_t bytes) {
  Status status = co_await enter(ProbeHook::kBlockStatus);
  if (!status.ok()) {
    block::BlockStatus failed;
    failed.error = status.error;
    co_return failed;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->block_status(want_zero, offset, bytes);
  }
  co_return memory_status(offset, bytes);
}

bool ProbeDriver::has_zeroing_truncate() const {
  const block::Edge* child = primary();
  return child == nullptr ? settings_.truncate_zeroes
                          : child->node->driver().has_zeroing_truncate();
}

bool ProbeDriver::has_zero_init() const {
  const block::Edge* child = primary();
  return child == nullptr || child->node->has_zero_init();
}

// What its children occupy is for the node to add up.
Task<std::int64_t> ProbeDriver::allocated_size() {
  return primary() != nullptr ? std::int64_t{-ENOTSUP} : store_.data_bytes();
}

int ProbeDriver::check_permissions(block::Permissions permissions, block::Permissions shared,
                                   block::ErrorReport& report) {
  checked_permissions_.store(permissions);
  checked_shared_.store(shared);
  const int error = hooks_.count_and_take_failure(ProbeHook::kCheckPermissions);
  return error == 0 ? 0 : report.fail(error, "planned-failure");
}

Task<Status> ProbeDriver::reopen_prepare(const block::ReopenRequest& request,
                                         block::ErrorReport& report) {
  Status status = co_await enter(ProbeHook::kReopenPrepare);
  if (!status.ok()) {
    co_return Status(report.fail(status.error, "planned-failure"));
  }
  pending_ = ProbeSettings();
  co_return Status(parse_probe_settings(request.options, pending_, report));
}

void ProbeDriver::reopen_commit() {
  hooks_.count(ProbeHook::kReopenCommit);
  // An option that stays as it was does not undo a truncate.
  if (pending_.size != settings_.size) {
    size_ = pending_.size;
    store_.cut(size_);
  }
  settings_ = pending_;
}

}  // namespace blk::drivers
