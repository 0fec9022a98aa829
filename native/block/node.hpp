// A node of the block graph as requests see it (QEMU's BlockDriverState): checks, in-flight count,
// tracking, padding, splitting and flush generations around a driver.
//
//   Edge --> Node::preadv -- aligned, nothing serialising --> driver           (no waiting: no
//   frame)
//                        \-- otherwise: track, wait, pad, split --> driver
//
// Threads: requests on the home thread of the context only. The atomics may be read from anywhere.
// Topology (children, driver) changes only while the node is quiesced with nothing in flight.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aio/context.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "block/direct-transfer.hpp"
#include "block/dirty-bitmap.hpp"
#include "block/driver.hpp"
#include "block/flags.hpp"
#include "block/limits.hpp"
#include "block/padding.hpp"
#include "block/status.hpp"
#include "block/tracked-request.hpp"

namespace blk::block {

class Node;

/// lib/ has a sentence for each.
enum class Warning : std::uint8_t {
  kProcessLocks = 1,  // locking=on without locks of open file descriptions
  kUnlockFailed = 2,  // others may find the image in use for longer than it is
  kRelockFailed = 3,  // a reopened image is not locked as it was
};

/// A parent's link to a node (BdrvChild). Owned by the parent (a node or a backend).
struct Edge {
  std::uint32_t key = 0;       // given by lib/, unique among the edges of one parent
  std::shared_ptr<Node> node;  // null: no medium
  ChildRole role = 0;
  Permissions permissions = 0;
  Permissions shared = kPermAll;
};

/// Told about what concerns lib/. Called on home threads; must not call back into the graph.
class GraphListener {
 public:
  virtual ~GraphListener() = default;
  /// A quiesced node or backend has nothing in flight any more.
  virtual void on_idle() = 0;
  /// The node's length was (re)established by a truncate or a growing write.
  virtual void on_resized(std::uint32_t node_id) = 0;
  /// A backend parked (+1) a request or took it out of the queue again (-1).
  virtual void on_parked(int change) = 0;
  /// Something that whoever runs the program should know. Any thread.
  virtual void on_warning(std::uint32_t /*node_id*/, Warning /*what*/) {}
  /// A write ended `exceeded` bytes beyond the threshold, which is disarmed now.
  virtual void on_write_threshold(std::uint32_t /*node_id*/, std::uint64_t /*threshold*/,
                                  std::uint64_t /*exceeded*/) {}
};

/// QAPI's BlockdevDetectZeroesOptions.
enum class DetectZeroes : std::uint8_t { kOff = 0, kOn = 1, kUnmap = 2 };

/// What a reopen or a migration can change.
struct NodeState {
  DetectZeroes detect_zeroes = DetectZeroes::kOff;
  bool read_only = false;
  bool no_flush = false;       // cache.no-flush
  bool discard_unmap = false;  // discard=unmap
  bool inactive = false;       // another process may be writing
  bool copy_on_read = false;   // every read is one that copies
};

struct NodeOptions {
  std::string name;
  std::uint32_t id = 0;  // unique in its environment, never 0
  NodeState state;
};

class Node {
 public:
  Node(aio::AioContext& context, NodeOptions options, std::unique_ptr<Driver> driver,
       GraphListener& listener);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  std::uint32_t id() const { return options_.id; }
  const std::string& name() const { return options_.name; }
  bool read_only() const { return options_.state.read_only; }
  bool discard_unmap() const { return options_.state.discard_unmap; }
  aio::AioContext& context() const { return *context_; }
  Driver& driver() const { return *driver_; }
  const Limits& limits() const { return limits_; }

  // --- life and topology
  void add_child(std::unique_ptr<Edge> edge) { children_.push_back(std::move(edge)); }
  /// What shows through where this node and the filters below it have nothing
  /// (bdrv_backing_chain_next); null: nothing does.
  Node* backing_layer() const;
  /// It is the node `base`, or has it below.
  bool is_above(std::uint32_t base) const;
  /// Null when there is no such edge.
  Edge* child(std::uint32_t key) const;
  /// Home thread, quiesced with nothing in flight.
  void remove_child(std::uint32_t key);
  const std::vector<std::unique_ptr<Edge>>& children() const { return children_; }
  /// The child that holds the data and is not a backing file; null when there is none.
  Edge* primary_child() const;

  aio::Task<Status> open(const Options& options, ErrorReport& report);
  aio::Task<Status> close();
  /// Limits and length again, after a change below.
  aio::Task<Status> refresh();
  /// The two halves of a move, each on the home thread that it names, quiesced in between.
  void leave_context() { driver_->detach_context(); }
  void enter_context(aio::AioContext& context);
  /// Another process is going to use the image, or has used it. (bdrv_co_inactivate,
  /// bdrv_co_invalidate_cache)
  aio::Task<Status> inactivate();
  aio::Task<Status> invalidate(ErrorReport& report);
  /// Into the backing file (bdrv_commit). EBUSY unless quiesced with nothing in flight.
  aio::Task<Status> commit();
  /// Home thread: what lib/ decides and requests read.
  void set_state(const NodeState& state) { options_.state = state; }
  /// Any thread.
  void warn(Warning what) const { listener_.on_warning(id(), what); }

  // --- what requests may ask without waiting
  /// Bytes, a multiple of 512 (REQ-11).
  std::int64_t length() const { return length_.load(std::memory_order_relaxed); }
  bool has_variable_length() const { return driver_->has_variable_length(); }
  bool is_inserted() const { return !ejected_.load(relaxed) && driver_->is_inserted(); }
  /// A driver whose image is of no use any more: from now on requests get ENOMEDIUM. `gone` false:
  /// there is one again.
  void eject(bool gone = true) { ejected_.store(gone, relaxed); }
  /// A new image reads as zeroes. Not over a backing file, which would show through.
  bool has_zero_init() const;
  std::uint64_t highest_written_offset() const { return highest_written_.load(relaxed); }
  /// Bytes; the first write or discard that ends beyond them is told of. 0: none.
  DirtyBitmaps& dirty_bitmaps() { return dirty_bitmaps_; }
  std::uint64_t write_threshold() const { return write_threshold_.load(relaxed); }
  /// Home thread.
  void set_write_threshold(std::uint64_t bytes) { write_threshold_.store(bytes, relaxed); }

  // --- debugging
  /// The driver wants to know of steps of requests, its parents' steps, too.
  bool hears_debug_events() const { return hears_debug_events_; }
  /// Costs one branch where nobody listens.
  aio::Task<Status> debug_event(DebugEvent event) {
    return hears_debug_events_ ? driver_->debug_event(event) : aio::Task<Status>(Status());
  }

  // --- quiesce and in-flight
  // Any thread.
  // Sequentially consistent, because the drainer raises the quiesce count and then reads in-flight
  // while the home lowers in-flight and then reads the quiesce count: one of them must see the
  // other, or the drain would never be told.
  std::uint32_t in_flight() const { return in_flight_.load(); }
  std::uint32_t quiesce_count() const { return quiesce_.load(relaxed); }
  void quiesce_begin() { quiesce_.fetch_add(1); }
  void quiesce_end() { quiesce_.fetch_sub(1); }
  /// The drainer's thread: the driver is about to be told. A section waits for that, too; a change
  /// of the graph need not, as it comes after it in the home's order.
  void expect_drain_hook() { drain_hooks_.fetch_add(1); }
  /// Home thread.
  void run_drain_hook(bool begin);
  /// What a section waits for.
  std::uint32_t busy() const {
    const std::uint32_t hooks = drain_hooks_.load();
    return hooks + in_flight();
  }

  // --- plugs (home thread; bdrv_io_plug)
  /// Children first, then the driver, which hears only of the first plug and the last unplug.
  void plug();
  void unplug();
  /// An edge is about to lead from one child to another (either may be null): so do its plugs.
  void move_plugs(Node* from, Node* to) const;

  // --- requests
  aio::Task<Status> preadv(const Edge& via, std::int64_t offset, std::int64_t bytes, IoView data,
                           RequestFlags flags);
  aio::Task<Status> pwritev(const Edge& via, std::int64_t offset, std::int64_t bytes, IoView data,
                            RequestFlags flags);
  aio::Task<Status> pwrite_zeroes(const Edge& via, std::int64_t offset, std::int64_t bytes,
                                  RequestFlags flags);
  aio::Task<Status> pdiscard(const Edge& via, std::int64_t offset, std::int64_t bytes);
  // node-direct.cpp: of a DirectTransfer
  /// What becomes of it here; of a write, its flags are then those that go further.
  DirectStep direct_step(const Edge& via, Transfer& transfer) const;
  void begin_direct(bool is_write, std::int64_t offset, std::int64_t bytes,
                    std::optional<TrackedRequest>& tracked);
  void end_direct(bool is_write, const Status& status, std::optional<TrackedRequest>& tracked);
  // node-copy.cpp
  /// Of this node, the source: from the user of both ends, or from the source's parent.
  aio::Task<Status> copy_range_from(CopyRange copy);
  /// Of this node, the target: from the driver that has the source's bytes, or the target's parent.
  aio::Task<Status> copy_range_to(CopyRange copy);
  aio::Task<Status> flush();
  aio::Task<Status> truncate(const Edge& via, TruncateRequest request, ErrorReport& report);
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes);
  aio::Task<std::int64_t> sg_io(SgIo& command);
  aio::Task<Status> probe_block_sizes(BlockSizes& sizes);
  aio::Task<Status> probe_geometry(Geometry& geometry);
  // node-vmstate.cpp
  aio::Task<Status> save_vmstate(std::int64_t position, std::int64_t bytes, IoView data);
  aio::Task<Status> load_vmstate(std::int64_t position, std::int64_t bytes, IoView data);
  aio::Task<std::int64_t> current_length();
  /// Of this layer and the filters below it (bdrv_block_status).
  aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset, std::int64_t bytes);
  /// Of the first layer that has the range allocated (bdrv_block_status_above). EINVAL when `base`
  /// is not below.
  aio::Task<BlockStatus> block_status_above(BlockStatusQuery query);
  /// Zeroes what does not read as zeroes already, as a parent's zero-writes (bdrv_make_zero).
  aio::Task<Status> make_zero(const Edge& via, RequestFlags flags);
  /// Everything shows the backing file again (bdrv_make_empty).
  aio::Task<Status> make_empty(const Edge& via);
  /// Errors in the image's metadata, or a negative errno (bdrv_check).
  aio::Task<std::int64_t> check_image();
  /// Bytes that the image occupies, or a negative errno. Where the driver does not know, the sum of
  /// the children that store it.
  aio::Task<std::int64_t> allocated_size();
  /// Any thread: a call on this node is on its way home, and counts from now on; so no change of
  /// the graph is made before it has arrived.
  void expect_call() { count(); }
  void call_ended() { uncount(); }

 private:
  static constexpr std::memory_order relaxed = std::memory_order_relaxed;

  /// Holds a count that count() raised and lowers it at the end of its scope. Declared first in a
  /// coroutine, so that it is the last to go (TRK-15).
  class InFlight {
   public:
    explicit InFlight(Node& node) : node_(node) {}
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight() { node_.uncount(); }

   private:
    Node& node_;
  };

  void count() { in_flight_.fetch_add(1, relaxed); }
  void uncount() {
    if (in_flight_.fetch_sub(1) == 1 && quiesce_.load() != 0) {
      listener_.on_idle();
    }
  }

  static constexpr RequestFlags kCopyingFlags = kRequestCopyOnRead | kRequestPrefetch;

  bool is_request_aligned(std::int64_t offset, std::int64_t bytes) const {
    return ((offset | bytes) & (limits_.request_alignment - 1)) == 0;
  }
  /// Aligned, short enough, inside the node, and nothing serialising that it might overlap: the
  /// driver can have it as it is.
  bool is_simple(std::int64_t offset, std::int64_t bytes) const {
    return is_request_aligned(offset, bytes) && bytes <= transfer_limit_ &&
           offset <= length() - bytes && !tracker_.has_serialising();
  }
  Status check_range(std::int64_t offset, std::int64_t bytes) const;
  Status check_transfer(std::int64_t offset, std::int64_t bytes) const;
  Status check_writable(const Edge& via, RequestFlags flags) const;
  /// Whole blocks are written, so a partial last one counts as growth, too (PERM-8).
  Status check_growth(const Edge& via, std::int64_t offset, std::int64_t bytes) const;

  // node-read.cpp
  aio::Task<Status> finish_read(aio::Task<Status> io, std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> read_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                              RequestFlags flags);
  aio::Task<Status> aligned_read(std::int64_t offset, std::int64_t bytes, IoView data,
                                 RequestFlags flags);
  // node-copy-on-read.cpp
  /// The bytes that are copied together, and that a request excludes others from.
  std::int64_t cluster_unit() const;
  aio::Task<Status> read_copying(std::int64_t offset, std::int64_t bytes, IoView data,
                                 RequestFlags flags);
  aio::Task<Status> copy_on_read(std::int64_t offset, std::int64_t bytes, IoView data);
  aio::Task<std::int64_t> bytes_to_copy(std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> copy_up(std::int64_t offset, const aio::AlignedBuffer& buffer);
  // node-write.cpp
  /// The driver can have a simple write with these flags as it is.
  bool is_plain_write(RequestFlags flags) const;
  /// Such a write becomes a zero-write if it, with its padding, is all zeroes (RW-14).
  bool detects_zeroes(RequestFlags flags) const;
  aio::Task<Status> finish_write(aio::Task<Status> io, std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> write_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                               RequestFlags flags);
  aio::Task<Status> start_write(TrackedRequest& tracked, bool serialises, RequestFlags flags);
  aio::Task<Status> read_padding(PaddedRequest& padded);
  aio::Task<Status> read_ends(std::int64_t offset, iovec into, bool head, bool tail);
  aio::Task<Status> write_done(std::int64_t offset, std::int64_t bytes, Status written);
  aio::Task<Status> write_pieces(std::int64_t offset, std::int64_t bytes, IoView data,
                                 RequestFlags flags);
  aio::Task<Status> write_fua(std::int64_t offset, std::int64_t bytes, IoView data,
                              RequestFlags flags);
  /// Before a write or discard reaches the driver.
  void check_write_threshold(std::int64_t offset, std::int64_t bytes) {
    const std::uint64_t threshold = write_threshold();
    const auto end = static_cast<std::uint64_t>(offset + bytes);
    if (threshold != 0 && end > threshold) {
      set_write_threshold(0);
      listener_.on_write_threshold(id(), threshold, end - threshold);
    }
  }
  /// After a write or discard, whatever became of it.
  void note_change(std::int64_t offset, std::int64_t bytes) {
    ++write_generation_;
    if (!dirty_bitmaps_.empty()) {
      dirty_bitmaps_.mark(offset, bytes);
    }
  }
  void note_write(std::int64_t offset, std::int64_t bytes, const Status& status);
  // node-zero.cpp
  aio::Task<Status> zero_slow(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> zero_padded(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> zero_fua(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  /// One block of a zero-write that is not all zeroes.
  aio::Task<Status> write_block(std::int64_t offset, IoView block, RequestFlags flags);
  aio::Task<Status> aligned_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> zero_pieces(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> bounce_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> discard_slow(std::int64_t offset, std::int64_t bytes);
  // node-status.cpp
  aio::Task<BlockStatus> aligned_status(bool want_zero, std::int64_t offset, std::int64_t bytes);
  aio::Task<bool> is_past_backing(std::int64_t offset, bool want_zero) const;
  const Edge* backing_child() const;
  /// The next layer of a backing chain (bdrv_filter_or_cow_bs); null at its end.
  Node* next_layer() const;
  // node-control.cpp
  aio::Task<Status> flush_slow();
  aio::Task<Status> flush_disk_and_children(std::uint64_t generation);
  aio::Task<Status> truncate_slow(TruncateRequest request, ErrorReport& report);
  aio::Task<std::int64_t> refresh_length();
  void set_length(std::int64_t bytes);

  aio::AioContext* context_;
  NodeOptions options_;
  std::unique_ptr<Driver> driver_;
  const bool hears_debug_events_;
  GraphListener& listener_;
  std::vector<std::unique_ptr<Edge>> children_;
  Limits limits_;
  std::int64_t transfer_limit_ = kMaxTransfer;  // limits_.max_transfer, aligned down, never 0
  std::atomic<std::int64_t> length_{0};
  std::atomic<std::uint64_t> highest_written_{0};
  std::atomic<std::uint64_t> write_threshold_{0};
  DirtyBitmaps dirty_bitmaps_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<bool> ejected_{false};
  std::atomic<std::uint32_t> quiesce_{0};
  std::uint32_t plugs_ = 0;
  std::atomic<std::uint32_t> drain_hooks_{0};  // sent home and not run yet
  RequestTracker tracker_{context_};
  DataRangeCache data_cache_;
  // Flush generations (FLUSH-2..5): a flush covers the writes that had ended when it was asked for.
  std::uint64_t write_generation_ = 0;
  std::uint64_t flushed_generation_ = 0;
  bool flush_active_ = false;
  aio::WaitQueue flush_queue_;
};

}  // namespace blk::block
