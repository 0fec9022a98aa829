// What a block driver implements. One object per node; it carries bytes and decides nothing.
//
// Every method runs on the home thread of the node's context. Requests arrive aligned to
// limits().request_alignment and no longer than limits().max_transfer: the node has checked, padded
// and split them. Buffers stay valid until the returned task is done. A method that needs no
// waiting returns a ready task. Errors are negative errnos; ENOTSUP where a driver lacks something.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aio/context.hpp"
#include "aio/task.hpp"
#include "block/error-report.hpp"
#include "block/flags.hpp"
#include "block/io-view.hpp"
#include "block/limits.hpp"
#include "block/options.hpp"
#include "block/status.hpp"

namespace blk::block {

class Node;
struct Edge;

enum class Preallocation : std::uint8_t { kOff, kMetadata, kFalloc, kFull };  // QAPI PreallocMode

struct TruncateRequest {
  std::int64_t size = 0;  // bytes
  bool exact = true;      // false: a larger result is as good (block devices)
  bool zero = false;      // the new area must read as zeroes (BDRV_REQ_ZERO_WRITE)
  Preallocation preallocation = Preallocation::kOff;
};

/// Answer to a block-status query: `bytes` bytes from the asked offset on are alike.
struct BlockStatus {
  std::int32_t error = 0;
  bool data = false;
  bool zero = false;
  bool allocated = false;
  bool offset_valid = false;
  bool end_of_file = false;
  std::int64_t bytes = 0;
  std::int64_t offset = 0;  // in the node that holds the bytes, when offset_valid
};

/// Numbers that query-blockstats reports as driver-specific, and our own.
struct DriverCounters {
  std::uint64_t discard_ok = 0;
  std::uint64_t discard_failed = 0;
  std::uint64_t discard_bytes_ok = 0;
  std::uint64_t bounced = 0;  // requests copied because of memory alignment
};

class Driver {
 public:
  virtual ~Driver() = default;

  virtual const char* name() const = 0;

  /// Opens; children are attached already. A failed open leaves nothing behind: no descriptor, no
  /// lock. `report` says why in parts.
  virtual aio::Task<Status> open(Node& node, const Options& options, ErrorReport& report) = 0;
  /// Releases descriptors and locks. Errors cannot be reported and are not.
  virtual aio::Task<Status> close() { return Status(); }

  /// Of this driver alone; the node merges those of its children. Called after open and reopen.
  virtual Limits limits() const { return {}; }
  /// The length in bytes now, before rounding to sectors, or a negative errno.
  virtual aio::Task<std::int64_t> length() = 0;
  /// The length can change without us (removable media, devices): ask before every check.
  virtual bool has_variable_length() const { return false; }
  virtual bool is_inserted() const { return true; }

  /// kRequestFua, kRequestMayUnmap ... that the driver honours by itself.
  virtual RequestFlags supported_write_flags() const { return 0; }
  virtual RequestFlags supported_zero_flags() const { return 0; }
  /// Without it a zero-write goes straight to a bounce buffer.
  virtual bool has_efficient_zero_write() const { return false; }

  virtual aio::Task<Status> preadv(std::int64_t offset, std::int64_t bytes, IoView data,
                                   RequestFlags flags) = 0;
  virtual aio::Task<Status> pwritev(std::int64_t offset, std::int64_t bytes, IoView data,
                                    RequestFlags flags);
  virtual aio::Task<Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                          RequestFlags flags);
  virtual bool has_discard() const { return false; }
  virtual aio::Task<Status> pdiscard(std::int64_t offset, std::int64_t bytes);
  /// Makes what was written durable. A driver without any flush succeeds.
  virtual aio::Task<Status> flush_to_disk() { return Status(); }
  virtual aio::Task<Status> truncate(TruncateRequest request, ErrorReport& report);
  /// `data` holds `bytes` bytes, at least what the request encodes.
  virtual aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes);
  virtual aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                              std::int64_t bytes);
  /// Bytes that the image occupies, or a negative errno.
  virtual aio::Task<std::int64_t> allocated_size();

  /// A graph moves: forget everything tied to the old context's engine / adopt the new one. Runs
  /// while the node is quiesced with nothing in flight.
  virtual void detach_context() {}
  virtual void attach_context(aio::AioContext& /*context*/) {}

  const DriverCounters& counters() const { return counters_; }

 protected:
  DriverCounters counters_;
};

/// Base of drivers that change nothing by default: every call goes to the primary child.
class FilterDriver : public Driver {
 public:
  aio::Task<std::int64_t> length() override;
  bool has_variable_length() const override;
  bool is_inserted() const override;
  RequestFlags supported_write_flags() const override;
  RequestFlags supported_zero_flags() const override;
  bool has_efficient_zero_write() const override;
  aio::Task<Status> preadv(std::int64_t offset, std::int64_t bytes, IoView data,
                           RequestFlags flags) override;
  aio::Task<Status> pwritev(std::int64_t offset, std::int64_t bytes, IoView data,
                            RequestFlags flags) override;
  aio::Task<Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                  RequestFlags flags) override;
  bool has_discard() const override;
  aio::Task<Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<Status> truncate(TruncateRequest request, ErrorReport& report) override;
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                      std::int64_t bytes) override;
  aio::Task<std::int64_t> allocated_size() override;

 protected:
  /// Set by open(): the edge to the primary child.
  Edge* child_ = nullptr;
};

/// A zero-write one level down: may-unmap is dropped unless the child was opened with
/// discard=unmap (ZERO-3).
aio::Task<Status> pwrite_zeroes_to_child(Edge& child, std::int64_t offset, std::int64_t bytes,
                                         RequestFlags flags);

using DriverFactory = std::unique_ptr<Driver> (*)();

}  // namespace blk::block
