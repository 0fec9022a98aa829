// Driver "file": an image in a regular file of the host. Base of "host_device".
//
// The descriptor is opened, probed and closed on workers; reads and writes go to the context's
// engine; everything else that may block goes to its workers.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "aio/file.hpp"
#include "block/driver.hpp"
#include "drivers/file-locks.hpp"

namespace blk::drivers {

class FileDriver : public block::Driver {
 public:
  explicit FileDriver(const LockCalls& locks = LockCalls::of_the_kernel()) : locks_(locks) {}

  const char* name() const override { return "file"; }

  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<block::Status> close() override;

  block::Limits limits() const override { return limits_; }
  aio::Task<std::int64_t> length() override;
  bool has_zero_init() const override { return !device_; }
  bool has_zeroing_truncate() const override { return !device_; }
  aio::Task<std::int64_t> allocated_size() override;

  block::RequestFlags supported_zero_flags() const override {
    return block::kRequestMayUnmap | block::kRequestNoFallback;
  }
  bool has_efficient_zero_write() const override { return true; }
  bool has_discard() const override { return true; }

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  block::DirectStep direct_step(const block::Transfer& transfer) const override;
  void start_direct(const block::Transfer& transfer, block::DirectTransfer& direct) override;
  aio::Task<block::Status> finish_direct(const block::Transfer& transfer,
                                         std::int64_t result) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> copy_range_from(block::CopyRange copy) override;
  aio::Task<block::Status> copy_range_to(block::CopyRange copy) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override;
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& report) override;

  // file-status.cpp
  bool is_protocol() const override { return true; }
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;

  // file-reopen.cpp
  int check_permissions(block::Permissions permissions, block::Permissions shared,
                        block::ErrorReport& report) override;
  void set_permissions() override;
  void abort_permissions() override;

  bool has_reopen() const override { return true; }
  aio::Task<block::Status> reopen_prepare(const block::ReopenRequest& request,
                                          block::ErrorReport& report) override;
  void reopen_commit() override;
  void reopen_abort() override;

  aio::Task<block::Status> invalidate() override;

  // file-create.cpp
  aio::Task<block::Status> create(aio::AioContext& context, const block::Options& options,
                                  block::ErrorReport& report) override;
  aio::Task<block::Status> remove(aio::AioContext& context, const block::Options& options,
                                  block::ErrorReport& report) override;

  void plug() override;
  void unplug() override;

  void detach_context() override;
  void attach_context(aio::AioContext& context) override;

 protected:
  /// How a descriptor is opened.
  struct Access {
    bool writable = false;
    bool direct = false;
    bool operator==(const Access&) const = default;
  };

  /// What was found out on a worker.
  struct Opened {
    aio::UniqueFd fd;
    LockKind locks = LockKind::kNone;
    mode_t mode = 0;
    std::int64_t length = 0;
    std::uint32_t request_alignment = 1;
    std::uint32_t memory_alignment = 1;
  };

  /// Refuses what this driver is not for. Runs on a worker.
  virtual int check_type(mode_t mode, const std::string& filename, bool read_only,
                         block::ErrorReport& report) const;

  aio::Engine& engine() const { return context_->engine(); }
  int fd() const { return file_.fd.get(); }
  bool is_device() const { return device_; }

 private:
  /// What a reopen may change without another descriptor, and what decides about one.
  struct Mode {
    bool auto_read_only =
        false;  // the node could be written, so whoever writes gets a reopen first
    bool drop_cache = true;
    bool check_cache_dropped = false;
  };
  struct Reopened {
    Mode mode;
    Access access;
    Opened opened;  // no descriptor: the old one will do
  };

  static Mode mode_from(const block::Options& options, bool read_only);
  int open_on_worker(const std::string& path, Access access, Opened& opened,
                     block::ErrorReport& report) const;
  int open_again_on_worker(Access access, Opened& opened, block::ErrorReport& report) const;
  void adopt(Reopened next);
  void warn_unless(int error) const;
  int probe_alignment(Opened& opened, block::ErrorReport& report) const;
  int check_aio(const std::string& aio, block::ErrorReport& report);

  bool needs_bounce(const block::IoView& data) const;
  /// Whether what became of a transfer says that it is to be done in one piece of memory.
  bool must_linearize(const block::IoView& data, std::int64_t bytes, std::int64_t result);
  aio::Task<block::Status> read(std::int64_t offset, std::int64_t bytes, block::IoView data);
  /// After an operation that did not do all.
  aio::Task<block::Status> finish_read(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                       std::int64_t result);
  aio::Task<block::Status> finish_write(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                        std::int64_t result);
  aio::Task<block::Status> read_rest(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                     std::int64_t first_result);
  aio::Task<block::Status> write(std::int64_t offset, std::int64_t bytes, block::IoView data);
  aio::Task<block::Status> write_rest(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                      std::int64_t first_result);
  aio::Task<block::Status> read_bounced(std::int64_t offset, std::int64_t bytes,
                                        block::IoView data);
  aio::Task<block::Status> write_bounced(std::int64_t offset, std::int64_t bytes,
                                         block::IoView data);

  int zero_on_worker(std::int64_t offset, std::int64_t bytes, bool may_unmap, bool no_fallback);
  int zero_device(std::int64_t offset, std::int64_t bytes, bool no_fallback) const;
  int discard_on_worker(std::int64_t offset, std::int64_t bytes) const;
  int truncate_on_worker(const block::TruncateRequest& request, block::ErrorReport& report) const;
  int truncate_device(const block::TruncateRequest& request, std::int64_t size,
                      block::ErrorReport& report) const;

  aio::AioContext* context_ = nullptr;
  block::Node* node_ = nullptr;
  std::string filename_;
  aio::File file_;
  Access access_;
  Mode mode_;
  FileLocks locks_;
  std::optional<Reopened> pending_;  // between prepare, and commit or abort
  block::Limits limits_;
  bool device_ = false;
  bool plugged_ = false;
  bool vectored_ = true;        // until the host says that it has no vectored transfers
  int sticky_flush_error_ = 0;  // FLUSH-8: once the page cache lied, every later flush says so
  // Ways that the file system turned out not to have; remembered per node (FILE-12, FILE-14).
  std::atomic<bool> has_zero_range_{true};
  std::atomic<bool> has_punch_hole_{true};
  bool has_discard_ = true;
};

}  // namespace blk::drivers
