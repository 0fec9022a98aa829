#include "drivers/blklogwrites.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::RequestFlags;
using block::Status;

namespace {

constexpr std::int64_t kDefaultSectorSize = 512;
constexpr std::int64_t kDefaultSuperInterval = 4096;

std::uint64_t fua_flag(RequestFlags flags) {
  return (flags & block::kRequestFua) != 0 ? kLogFua : 0;
}

int read_interval(const block::Options& options, std::uint64_t& interval,
                  block::ErrorReport& report) {
  const std::int64_t given = options.get_int("log-super-update-interval", kDefaultSuperInterval);
  if (given < 1) {
    return report.fail(-EINVAL, "log-super-update-interval", {{"interval", std::to_string(given)}});
  }
  interval = static_cast<std::uint64_t>(given);
  return 0;
}

}  // namespace

// --- life

Task<Status> BlklogwritesDriver::open(block::Node& node, const block::Options& options,
                                      block::ErrorReport& report) {
  node_ = &node;
  child_ = node.primary_child();
  block::Edge* edge = log_edge();
  if (child_ == nullptr || edge == nullptr) {
    co_return Status(-EINVAL);
  }
  std::uint64_t interval = 0;
  if (int error = read_interval(options, interval, report); error != 0) {
    co_return Status(error);
  }
  const std::int64_t sector_size = options.get_int("log-sector-size", kDefaultSectorSize);
  if (!is_log_sector_size(sector_size)) {
    co_return Status(
        report.fail(-EINVAL, "log-sector-size", {{"size", std::to_string(sector_size)}}));
  }
  log_ = std::make_unique<WriteLog>(node, *edge);
  appends_ = options.get_bool("log-append", false);
  if (appends_) {
    co_return co_await log_->continue_existing(interval, report);
  }
  WriteLogSettings settings;
  settings.sector_size = static_cast<std::uint32_t>(sector_size);
  settings.super_interval = interval;
  log_->start_new(settings);
  co_return Status();
}

block::Edge* BlklogwritesDriver::log_edge() const {
  const auto& children = node_->children();
  const auto found = std::find_if(children.begin(), children.end(), [](const auto& child) {
    return (child->role & block::kChildPrimary) == 0;
  });
  return found == children.end() ? nullptr : found->get();
}

block::Limits BlklogwritesDriver::limits() const {
  block::Limits limits;
  limits.request_alignment = log_->sector_size();
  return limits;
}

// --- requests: the file first, then the log, so that a place in the log is the order of completion

Task<Status> BlklogwritesDriver::pwritev(std::int64_t offset, std::int64_t bytes,
                                         block::IoView data, RequestFlags flags) {
  Status status = co_await child_->node->pwritev(*child_, offset, bytes, data, flags);
  if (!status.ok()) {
    co_return status;
  }
  WriteLog::Record written(entry(offset, bytes, fua_flag(flags)));
  written.data = data;
  co_return co_await log_now(written);
}

Task<Status> BlklogwritesDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                               RequestFlags flags) {
  Status status = co_await block::pwrite_zeroes_to_child(*child_, offset, bytes, flags);
  if (!status.ok()) {
    co_return status;
  }
  WriteLog::Record zeroed(entry(offset, bytes, fua_flag(flags)));
  zeroed.is_zeroes = true;
  co_return co_await log_now(zeroed);
}

// Discards come unaligned, too. What is less than a sector of the log has no entry, so it must not
// happen: the node goes on with the next piece.
Task<Status> BlklogwritesDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  if (((offset | bytes) & (std::int64_t{log_->sector_size()} - 1)) != 0) {
    co_return Status(-ENOTSUP);
  }
  Status status = co_await child_->node->pdiscard(*child_, offset, bytes);
  if (!status.ok()) {
    co_return status;
  }
  WriteLog::Record discarded(entry(offset, bytes, kLogDiscard));
  co_return co_await log_now(discarded);
}

// The place is taken before the file is flushed: what completes meanwhile may have missed the flush
// and comes after it.
Task<Status> BlklogwritesDriver::flush_to_disk() {
  WriteLog::Record flushed(entry(0, 0, kLogFlush));
  log_->reserve(flushed);
  Status status = co_await child_->node->flush();
  if (!status.ok()) {
    log_->withdraw(flushed);
    co_return status;
  }
  co_return co_await log_->commit(flushed);
}

WriteLogEntry BlklogwritesDriver::entry(std::int64_t offset, std::int64_t bytes,
                                        std::uint64_t flags) const {
  WriteLogEntry entry;
  entry.sector = static_cast<std::uint64_t>(offset) / log_->sector_size();
  entry.sectors = static_cast<std::uint64_t>(bytes) / log_->sector_size();
  entry.flags = flags;
  return entry;
}

Task<Status> BlklogwritesDriver::log_now(WriteLog::Record& record) {
  log_->reserve(record);
  return log_->commit(record);
}

// --- reopen and migration

Task<Status> BlklogwritesDriver::reopen_prepare(const block::ReopenRequest& request,
                                                block::ErrorReport& report) {
  return Status(read_interval(request.options, pending_interval_, report));
}

Task<Status> BlklogwritesDriver::inactivate() {
  if (node_->read_only()) {
    co_return Status();
  }
  co_return co_await log_->finish();
}

// Another process may have appended to the log, or begun it.
Task<Status> BlklogwritesDriver::invalidate() {
  if (!appends_ && !log_->has_super()) {
    co_return Status();
  }
  block::ErrorReport ignored;
  co_return co_await log_->continue_existing(log_->super_interval(), ignored);
}

std::int64_t BlklogwritesDriver::control(const std::string& command,
                                         const std::string& /*argument*/) {
  if (command == "entries") {
    return static_cast<std::int64_t>(log_->entries());
  }
  return command == "sector-size" ? std::int64_t{log_->sector_size()} : -ENOTSUP;
}

}  // namespace blk::drivers
