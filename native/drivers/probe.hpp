// Driver "x-probe": a node for tests of graphs. It counts what it is asked, holds and fails
// requests when told to, and can have any children.
//
// With a primary child it passes requests on. Without one it keeps its bytes in memory, over a
// backing file if it has one.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "block/driver.hpp"
#include "drivers/probe-holds.hpp"
#include "drivers/probe-hooks.hpp"
#include "drivers/probe-settings.hpp"
#include "drivers/probe-store.hpp"

namespace blk::drivers {

class ProbeDriver final : public block::Driver {
 public:
  const char* name() const override { return "x-probe"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<block::Status> close() override;

  block::Limits limits() const override;
  aio::Task<std::int64_t> length() override;
  bool has_variable_length() const override;
  bool is_inserted() const override;
  block::RequestFlags supported_write_flags() const override;
  block::RequestFlags supported_zero_flags() const override;
  bool has_efficient_zero_write() const override;

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  bool has_discard() const override { return true; }
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override { return enter(ProbeHook::kFlush); }
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& report) override;
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  // probe-extras.cpp: with a primary child these are its, without one the options say what there is
  aio::Task<std::int64_t> sg_io(block::SgIo& command) override;
  aio::Task<block::Status> probe_block_sizes(block::BlockSizes& sizes) override;
  aio::Task<block::Status> probe_geometry(block::Geometry& geometry) override;
  bool has_compressed_write() const override { return settings_.compress; }
  aio::Task<block::Status> pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                              block::IoView data) override;
  bool has_vmstate() const override { return settings_.vmstate; }
  aio::Task<block::Status> save_vmstate(std::int64_t position, std::int64_t bytes,
                                        block::IoView data) override;
  aio::Task<block::Status> load_vmstate(std::int64_t position, std::int64_t bytes,
                                        block::IoView data) override;
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;
  /// Without a primary child it is a format of its own.
  bool supports_backing() const override { return primary() == nullptr; }
  std::int64_t cluster_size() const override {
    return primary() == nullptr ? ProbeStore::kClusterBytes : 0;
  }
  aio::Task<block::Status> make_empty() override;
  bool has_zero_init() const override;
  bool has_zeroing_truncate() const override;
  aio::Task<std::int64_t> allocated_size() override;
  aio::Task<block::Status> commit() override;

  int check_permissions(block::Permissions permissions, block::Permissions shared,
                        block::ErrorReport& report) override;
  void set_permissions() override { hooks_.count(ProbeHook::kSetPermissions); }
  void abort_permissions() override { hooks_.count(ProbeHook::kAbortPermissions); }

  bool has_reopen() const override { return true; }
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& request,
                                          block::ErrorReport& report) override;
  void reopen_commit() override;
  void reopen_abort() override { hooks_.count(ProbeHook::kReopenAbort); }

  aio::Task<block::Status> inactivate() override { return enter(ProbeHook::kInactivate); }
  aio::Task<block::Status> invalidate() override { return enter(ProbeHook::kInvalidate); }

  std::int64_t control(const std::string& command, const std::string& argument) override;

  void children_changed(block::Node& /*node*/) override {
    hooks_.count(ProbeHook::kChildrenChanged);
  }
  void plug() override { hooks_.count(ProbeHook::kPlug); }
  void unplug() override { hooks_.count(ProbeHook::kUnplug); }
  bool has_drain_hooks() const override { return true; }
  void drained_begin() override { hooks_.count(ProbeHook::kDrainedBegin); }
  void drained_end() override { hooks_.count(ProbeHook::kDrainedEnd); }
  void detach_context() override { hooks_.count(ProbeHook::kDetachContext); }
  void attach_context(aio::AioContext& /*context*/) override {
    hooks_.count(ProbeHook::kAttachContext);
  }

 private:
  /// Where requests are passed on to; null: they end here.
  block::Edge* primary() const;
  block::Edge* backing() const;
  /// Counts the call, waits while it is held, and gives the failure that was planned for it.
  aio::Task<block::Status> enter(ProbeHook hook);

  // probe-memory.cpp: without a primary child
  aio::Task<block::Status> read_memory(std::int64_t offset, std::int64_t bytes, block::IoView data);
  /// Zeroes where there is no backing file, or beyond its end.
  aio::Task<block::Status> read_backing(std::int64_t offset, std::int64_t bytes,
                                        block::IoView data);
  aio::Task<block::Status> write_memory(std::int64_t offset, std::int64_t bytes,
                                        block::IoView data);
  aio::Task<block::Status> copy_up(std::int64_t cluster);
  /// An unallocated cluster at `offset` can be other than zero.
  bool shows_through(std::int64_t offset) const;
  aio::Task<block::Status> zero_memory(std::int64_t offset, std::int64_t bytes);
  aio::Task<block::Status> truncate_memory(std::int64_t size);
  block::BlockStatus memory_status(std::int64_t offset, std::int64_t bytes) const;
  aio::Task<block::Status> grow_backing(block::Edge& backing);
  aio::Task<block::Status> commit_cluster(block::Edge& backing, std::int64_t cluster);

  // probe-control.cpp
  std::int64_t hold(std::string_view argument);
  std::int64_t call_count(std::string_view hook) const;
  std::int64_t change_limit(std::string_view argument);
  std::int64_t change_size(std::string_view argument);
  const std::string* text_named(std::string_view name) const;
  std::int64_t text_length(std::string_view name) const;
  std::int64_t text_bytes(std::string_view argument) const;

  block::Node* node_ = nullptr;
  ProbeSettings settings_;
  ProbeSettings pending_;  // between reopen_prepare and its end
  std::int64_t size_ = 0;
  ProbeStore store_;
  ProbeStore vmstate_;
  ProbeHolds holds_;
  mutable ProbeHooks hooks_;  // asking for limits is counted, too
  std::string header_;        // the name of the backing file, as an image's header would have it
  std::int64_t header_updates_ = 0;
  std::atomic<block::Permissions> checked_permissions_{0};
  std::atomic<block::Permissions> checked_shared_{block::kPermAll};
};

}  // namespace blk::drivers
