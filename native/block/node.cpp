#include "block/node.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

namespace blk::block {

using aio::Task;

namespace {

constexpr ChildRole kLimitingRoles = kChildData | kChildFiltered | kChildCow;

std::int64_t round_up_to_sector(std::int64_t bytes) {
  return (bytes + kSectorSize - 1) & ~(kSectorSize - 1);
}

}  // namespace

Node::Node(aio::AioContext& context, NodeOptions options, std::unique_ptr<Driver> driver,
           GraphListener& listener)
    : context_(&context),
      options_(std::move(options)),
      driver_(std::move(driver)),
      hears_debug_events_(driver_->hears_debug_events()),
      listener_(listener) {}

Node::~Node() = default;

Edge* Node::primary_child() const {
  auto found = std::find_if(children_.begin(), children_.end(),
                            [](const auto& child) { return (child->role & kChildPrimary) != 0; });
  return found == children_.end() ? nullptr : found->get();
}

Task<Status> Node::open(const Options& options, ErrorReport& report) {
  Status status = co_await driver_->open(*this, options, report);
  if (!status.ok()) {
    co_return status.at(id());
  }
  status = co_await refresh();
  if (!status.ok()) {
    if (report.error == 0) {
      report.fail(status.error, "cannot-establish-length", {});
    }
    co_await driver_->close();
  }
  co_return status.at(id());
}

Task<Status> Node::close() {
  Status status = co_await driver_->close();
  children_.clear();
  co_return status;
}

Task<Status> Node::refresh() {
  limits_ = driver_->limits();
  if (driver_->has_sectors_only()) {
    limits_.request_alignment =
        std::max(limits_.request_alignment, static_cast<std::uint32_t>(kSectorSize));
  }
  for (const auto& child : children_) {
    if ((child->role & kLimitingRoles) != 0) {
      merge_limits(limits_, child->node->limits());
    }
  }
  if (!std::has_single_bit(limits_.request_alignment) ||
      limits_.request_alignment > kMaxAlignment) {
    co_return Status(-EINVAL, id());
  }
  const std::int64_t limit = limits_.max_transfer > 0 ? limits_.max_transfer : kMaxTransfer;
  const std::int64_t aligned =
      std::min(limit, kMaxTransfer) & ~(static_cast<std::int64_t>(limits_.request_alignment) - 1);
  transfer_limit_ = std::max<std::int64_t>(aligned, limits_.request_alignment);
  const std::int64_t length_now = co_await refresh_length();
  co_return length_now < 0 ? Status(static_cast<std::int32_t>(length_now), id()) : Status();
}

void Node::enter_context(aio::AioContext& context) {
  context_ = &context;
  driver_->attach_context(context);
}

void Node::run_drain_hook(bool begin) {
  if (begin) {
    driver_->drained_begin();
  } else {
    driver_->drained_end();
  }
  if (drain_hooks_.fetch_sub(1) == 1 && quiesce_.load() != 0) {
    listener_.on_idle();
  }
}

Edge* Node::child(std::uint32_t key) const {
  auto found = std::find_if(children_.begin(), children_.end(),
                            [key](const auto& edge) { return edge->key == key; });
  return found == children_.end() ? nullptr : found->get();
}

void Node::remove_child(std::uint32_t key) {
  std::erase_if(children_, [key](const auto& edge) { return edge->key == key; });
}

Task<Status> Node::inactivate() {
  Status status = co_await driver_->inactivate();
  co_return status.at(id());
}

Task<Status> Node::invalidate(ErrorReport& report) {
  data_cache_.clear();
  Status status = co_await driver_->invalidate();
  if (status.ok()) {
    status = co_await refresh();
  }
  if (!status.ok() && report.error == 0) {
    report.fail(status.error, "invalidate-failed", {});
  }
  co_return status.at(id());
}

Task<Status> Node::commit() {
  if (quiesce_count() == 0 || in_flight() != 0) {
    co_return Status(-EBUSY, id());
  }
  // Not counted as in flight: the section that waits for requests is the caller's own.
  Status status = co_await driver_->commit();
  co_return status.at(id());
}

void Node::set_length(std::int64_t bytes) {
  length_.store(round_up_to_sector(bytes), std::memory_order_relaxed);
}

Task<std::int64_t> Node::refresh_length() {
  const std::int64_t bytes = co_await driver_->length();
  if (bytes < 0) {
    co_return bytes;
  }
  if (bytes > kMaxLength) {
    co_return -EFBIG;
  }
  set_length(bytes);
  co_return length();
}

Task<std::int64_t> Node::current_length() {
  if (!driver_->has_variable_length()) {
    return length();
  }
  return refresh_length();
}

bool Node::has_zero_init() const {
  const bool has_backing = std::any_of(children_.begin(), children_.end(), [](const auto& child) {
    return (child->role & kChildCow) != 0;
  });
  return !has_backing && driver_->has_zero_init();
}

Status Node::check_range(std::int64_t offset, std::int64_t bytes) const {
  if (ejected_.load(relaxed)) {
    return {-ENOMEDIUM, id()};
  }
  if (offset < 0 || bytes < 0 || offset > kMaxLength || bytes > kMaxLength - offset) {
    return {-EIO, id()};
  }
  return {};
}

Status Node::check_transfer(std::int64_t offset, std::int64_t bytes) const {
  return bytes > kMaxTransfer ? Status(-EIO, id()) : check_range(offset, bytes);
}

Status Node::check_writable(const Edge& via, RequestFlags flags) const {
  const Permissions needed =
      (flags & kRequestWriteUnchanged) != 0 ? kPermWrite | kPermWriteUnchanged : kPermWrite;
  if (options_.state.read_only || options_.state.inactive || (via.permissions & needed) == 0 ||
      (!dirty_bitmaps_.empty() && dirty_bitmaps_.is_read_only())) {
    return {-EPERM, id()};
  }
  return {};
}

Status Node::check_growth(const Edge& via, std::int64_t offset, std::int64_t bytes) const {
  const std::int64_t align = limits_.request_alignment;
  const std::int64_t end = (offset + bytes + align - 1) & ~(align - 1);
  if (bytes > 0 && end > length() && (via.permissions & kPermResize) == 0) {
    return {-EPERM, id()};
  }
  return {};
}

}  // namespace blk::block
