// Driver "file": an image in a regular file of the host. Base of "host_device".
//
// The descriptor is opened, probed and closed on workers; reads and writes go to the context's
// engine; everything else that may block goes to its workers.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "aio/file.hpp"
#include "block/driver.hpp"

namespace blk::drivers {

class FileDriver : public block::Driver {
 public:
  const char* name() const override { return "file"; }

  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<block::Status> close() override;

  block::Limits limits() const override { return limits_; }
  aio::Task<std::int64_t> length() override;
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
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override;
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& report) override;

  void detach_context() override;
  void attach_context(aio::AioContext& context) override;

 protected:
  /// What open() found out on a worker.
  struct Opened {
    aio::UniqueFd fd;
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
  int open_on_worker(bool read_only, Opened& opened, block::ErrorReport& report) const;
  int probe_alignment(Opened& opened, block::ErrorReport& report) const;
  int check_aio(const std::string& aio, block::ErrorReport& report);

  bool needs_bounce(const block::IoView& data) const;
  aio::Task<block::Status> read(std::int64_t offset, std::int64_t bytes, block::IoView data);
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
  std::string filename_;
  aio::File file_;
  block::Limits limits_;
  bool device_ = false;
  int sticky_flush_error_ = 0;  // FLUSH-8: once the page cache lied, every later flush says so
  // Ways that the file system turned out not to have; remembered per node (FILE-12, FILE-14).
  std::atomic<bool> has_zero_range_{true};
  std::atomic<bool> has_punch_hole_{true};
  bool has_discard_ = true;
};

}  // namespace blk::drivers
