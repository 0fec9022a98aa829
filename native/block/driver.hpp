// What a block driver implements. One object per node; it carries bytes and decides nothing.
//
// Every method runs on the home thread of the node's context. Requests arrive aligned to
// limits().request_alignment and no longer than limits().max_transfer: the node has checked, padded
// and split them. Buffers stay valid until the returned task is done. A method that needs no
// waiting returns a ready task. Errors are negative errnos; ENOTSUP where a driver lacks something.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "aio/context.hpp"
#include "aio/task.hpp"
#include "block/block-status.hpp"
#include "block/debug-event.hpp"
#include "block/direct-transfer.hpp"
#include "block/error-report.hpp"
#include "block/flags.hpp"
#include "block/io-view.hpp"
#include "block/limits.hpp"
#include "block/options.hpp"
#include "block/sg-io.hpp"
#include "block/status.hpp"
#include "throttle/member.hpp"

namespace blk::block {

class Node;
struct Edge;

enum class Preallocation : std::uint8_t { kOff, kMetadata, kFalloc, kFull };  // QAPI PreallocMode

/// What a node may become without being closed. Options that are absent keep nothing: they are the
/// whole of the new options.
struct ReopenRequest {
  Options options;
  bool read_only = false;
  /// A user of the node, as it will be, writes or resizes: only then auto-read-only needs a
  /// descriptor that can.
  bool wants_write = false;
};

struct TruncateRequest {
  std::int64_t size = 0;  // bytes
  bool exact = true;      // false: a larger result is as good (block devices)
  bool zero = false;      // the new area must read as zeroes (BDRV_REQ_ZERO_WRITE)
  Preallocation preallocation = Preallocation::kOff;
};

/// What a guest's disk should say of its sectors (blk_probe_blocksizes), in bytes.
struct BlockSizes {
  std::uint32_t physical = 0;
  std::uint32_t logical = 0;
};

/// How old guests address a disk (hd_geometry).
struct Geometry {
  std::uint32_t cylinders = 0;
  std::uint32_t heads = 0;
  std::uint32_t sectors = 0;  // on a track
};

/// Bytes of one node that go to another, or to another place of the same, without passing through
/// us.
struct CopyRange {
  Edge* source = nullptr;
  std::int64_t source_offset = 0;
  Edge* target = nullptr;
  std::int64_t target_offset = 0;
  std::int64_t bytes = 0;
  RequestFlags flags = 0;
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

  /// Its requests are whole sectors: it has no interface for single bytes.
  virtual bool has_sectors_only() const { return false; }
  /// Of this driver alone; the node merges those of its children. Called after open and reopen.
  virtual Limits limits() const { return {}; }
  /// The length in bytes now, before rounding to sectors, or a negative errno.
  virtual aio::Task<std::int64_t> length() = 0;
  /// The length can change without us (removable media, devices): ask before every check.
  virtual bool has_variable_length() const { return false; }
  virtual bool is_inserted() const { return true; }
  /// SCSI generic: it takes commands rather than requests.
  virtual bool is_sg() const { return false; }

  /// kRequestFua, kRequestMayUnmap ... that the driver honours by itself.
  virtual RequestFlags supported_read_flags() const { return 0; }
  virtual RequestFlags supported_write_flags() const { return 0; }
  virtual RequestFlags supported_zero_flags() const { return 0; }
  /// Without it a zero-write goes straight to a bounce buffer.
  virtual bool has_efficient_zero_write() const { return false; }

  virtual aio::Task<Status> preadv(std::int64_t offset, std::int64_t bytes, IoView data,
                                   RequestFlags flags) = 0;
  virtual aio::Task<Status> pwritev(std::int64_t offset, std::int64_t bytes, IoView data,
                                    RequestFlags flags);
  /// What becomes of a read or write that preadv() or pwritev() would get as it is, if it is no
  /// more than a shift or an operation of the engine.
  virtual DirectStep direct_step(const Transfer& /*transfer*/) const { return {}; }
  /// Its step was kHere: `direct.enqueue()` or `direct.sleep_until()`.
  virtual void start_direct(const Transfer& /*transfer*/, DirectTransfer& /*direct*/) {}
  /// What is left of one whose operation had another result than its bytes.
  virtual aio::Task<Status> finish_direct(const Transfer& /*transfer*/, std::int64_t result) {
    return Status(static_cast<int>(result));
  }
  virtual aio::Task<Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                          RequestFlags flags);
  /// The source's driver is asked first, and passes the copy on towards the bytes: to its child's
  /// copy_range_from() or, where they are its own, to the target's copy_range_to(), which finds the
  /// target's bytes in the same way and then has both ends.
  /// What lies in the file is not what is read: the kernel cannot copy it.
  virtual bool is_encrypted() const { return false; }
  virtual aio::Task<Status> copy_range_from(CopyRange copy);
  virtual aio::Task<Status> copy_range_to(CopyRange copy);
  virtual bool has_discard() const { return false; }
  virtual aio::Task<Status> pdiscard(std::int64_t offset, std::int64_t bytes);
  /// Makes what was written durable. A driver without any flush succeeds.
  virtual aio::Task<Status> flush_to_disk() { return Status(); }
  virtual aio::Task<Status> truncate(TruncateRequest request, ErrorReport& report);
  /// TruncateRequest::zero is honoured.
  virtual bool has_zeroing_truncate() const { return false; }
  /// `data` holds `bytes` bytes, at least what the request encodes.
  virtual aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes);
  /// A SCSI command; what the device says of it stands in `command`.
  virtual aio::Task<std::int64_t> sg_io(SgIo& command);
  virtual aio::Task<Status> probe_block_sizes(BlockSizes& sizes);
  virtual aio::Task<Status> probe_geometry(Geometry& geometry);
  /// Writes that the driver stores compressed: as long as the caller made them, without FUA.
  virtual bool has_compressed_write() const { return false; }
  virtual aio::Task<Status> pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                               IoView data);
  /// The state of a machine, beside its disk's data. Without it a node asks its primary child.
  virtual bool has_vmstate() const { return false; }
  virtual aio::Task<Status> save_vmstate(std::int64_t position, std::int64_t bytes, IoView data);
  virtual aio::Task<Status> load_vmstate(std::int64_t position, std::int64_t bytes, IoView data);
  /// What the range is. Without `want_zero` nobody cares which allocated bytes read as zeroes, and
  /// the cheapest answer is best. By default everything is data.
  virtual aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                              std::int64_t bytes);
  /// The bytes are its own, at the offsets that it is asked for: there is nothing below.
  virtual bool is_protocol() const { return false; }
  /// The bytes that are allocated together; 0: unknown, or there is no such thing.
  virtual std::int64_t cluster_size() const { return 0; }
  /// What is not allocated comes from a backing file, or reads as zeroes without one.
  virtual bool supports_backing() const { return false; }
  /// A new image of this driver reads as zeroes. Asked only without a backing file.
  virtual bool has_zero_init() const { return false; }
  /// Bytes that the image occupies, or a negative errno; ENOTSUP: the children that store it know.
  virtual aio::Task<std::int64_t> allocated_size();
  /// Writes what this image has allocated into its backing file, which the edge must allow, and
  /// forgets it. The node is quiesced with nothing in flight.
  virtual aio::Task<Status> commit() { return Status(-ENOTSUP); }
  /// Everything becomes unallocated, so that the backing file shows through (bdrv_make_empty).
  virtual aio::Task<Status> make_empty() { return Status(-ENOTSUP); }
  /// How many errors the image's own metadata has, or a negative errno (bdrv_check).
  virtual aio::Task<std::int64_t> check_image() { return std::int64_t{-ENOTSUP}; }
  /// Flushes go on to this child when it may be written. Not to one that only serves comparison.
  virtual bool flushes_child(const Edge& /*child*/) const { return true; }

  // --- permissions: first check on every node of a change, then set or abort on every one
  // (PERM-22) On the thread that owns the graph, not at home, while requests run: these touch
  // nothing that requests use, and they never wait.

  /// Acquires what `permissions` and `shared`, the sum over all users, need beyond what is held.
  virtual int check_permissions(Permissions /*permissions*/, Permissions /*shared*/,
                                ErrorReport& /*report*/) {
    return 0;
  }
  /// Gives up what the pair checked last does not need.
  virtual void set_permissions() {}
  /// Goes back to what was held before the check.
  virtual void abort_permissions() {}

  // --- reopen (REOP-2): prepare on every node, then commit or abort on every one
  // The node is quiesced with nothing in flight.

  virtual bool has_reopen() const { return false; }
  /// Does everything that can fail; what requests see stays as it is.
  virtual aio::Task<Status> reopen_prepare(const ReopenRequest& request, ErrorReport& report);
  virtual void reopen_commit() {}
  virtual void reopen_abort() {}

  // --- migration (INACT-9, INACT-11, INACT-13)

  /// Another process is going to use the image: nothing may stay cached that it must see.
  virtual aio::Task<Status> inactivate() { return Status(); }
  /// Another process has used it: nothing cached is valid.
  virtual aio::Task<Status> invalidate() { return Status(); }

  // --- images that are not open

  /// Makes a new image, or makes an old one new. A driver that has none is ENOTSUP.
  virtual aio::Task<Status> create(aio::AioContext& context, const Options& options,
                                   ErrorReport& report);
  virtual aio::Task<Status> remove(aio::AioContext& context, const Options& options,
                                   ErrorReport& report);

  // --- debugging

  /// It is told of the steps of requests; the same for as long as it lives.
  virtual bool hears_debug_events() const { return false; }
  /// A request has come to this step, here or in a parent, and goes on when the task is done, or
  /// fails with its error.
  virtual aio::Task<Status> debug_event(DebugEvent /*event*/) { return Status(); }

  // --- drained sections

  /// The two below do something. Asked from any thread; never changes.
  virtual bool has_drain_hooks() const { return false; }
  /// A section began at this node or below it, or has ended: once per section, however many ways
  /// lead to the node. In order with the requests; must not wait. A begin comes before the section
  /// is quiet; an end before the requests that it lets go.
  virtual void drained_begin() {}
  virtual void drained_end() {}

  /// Its place in a throttle group, of a driver that has one.
  virtual throttle::Member* throttle() { return nullptr; }

  /// What only this driver has, for its own part of lib/. Home thread; a number of its choice, or a
  /// negative errno.
  virtual std::int64_t control(const std::string& command, const std::string& argument);

  /// Requests may be held back from now on, to be handed over together at unplug(). Home thread,
  /// never twice in a row.
  virtual void plug() {}
  virtual void unplug() {}

  /// Edges were added, removed or lead elsewhere. Home thread, quiesced.
  virtual void children_changed(Node& /*node*/) {}

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
  bool has_zeroing_truncate() const override;
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  aio::Task<std::int64_t> sg_io(SgIo& command) override;
  aio::Task<Status> probe_block_sizes(BlockSizes& sizes) override;
  aio::Task<Status> probe_geometry(Geometry& geometry) override;
  aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                      std::int64_t bytes) override;
  bool has_zero_init() const override;
  aio::Task<std::int64_t> allocated_size() override;
  std::int64_t cluster_size() const override;
  void children_changed(Node& node) override;

 protected:
  /// For those that let compressed writes pass: as such, to the child.
  aio::Task<Status> pwrite_compressed_to_child(std::int64_t offset, std::int64_t bytes,
                                               IoView data);

  /// Set by open(): the edge to the primary child. Null once the filter was taken out of the graph
  /// and still has an owner: its node is ejected then, and no request comes here.
  Edge* child_ = nullptr;
};

/// A zero-write one level down: may-unmap is dropped unless the child was opened with
/// discard=unmap (ZERO-3).
aio::Task<Status> pwrite_zeroes_to_child(Edge& child, std::int64_t offset, std::int64_t bytes,
                                         RequestFlags flags);

using DriverFactory = std::unique_ptr<Driver> (*)();

}  // namespace blk::block
