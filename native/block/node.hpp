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
#include <string>
#include <vector>

#include "aio/context.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "block/driver.hpp"
#include "block/flags.hpp"
#include "block/limits.hpp"
#include "block/padding.hpp"
#include "block/status.hpp"
#include "block/tracked-request.hpp"

namespace blk::block {

class Node;

/// A parent's link to a node (BdrvChild). Owned by the parent (a node or a backend).
struct Edge {
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
};

struct NodeOptions {
  std::string name;
  std::uint32_t id = 0;  // unique in its environment, never 0
  bool read_only = false;
  bool no_flush = false;       // cache.no-flush
  bool discard_unmap = false;  // discard=unmap
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
  bool read_only() const { return options_.read_only; }
  bool discard_unmap() const { return options_.discard_unmap; }
  aio::AioContext& context() const { return *context_; }
  Driver& driver() const { return *driver_; }
  const Limits& limits() const { return limits_; }

  // --- life and topology
  void add_child(std::unique_ptr<Edge> edge) { children_.push_back(std::move(edge)); }
  const std::vector<std::unique_ptr<Edge>>& children() const { return children_; }
  /// The child that holds the data and is not a backing file; null when there is none.
  Edge* primary_child() const;

  aio::Task<Status> open(const Options& options, ErrorReport& report);
  aio::Task<Status> close();
  /// Limits and length again, after a change below.
  aio::Task<Status> refresh();
  void move_to(aio::AioContext& context);

  // --- what requests may ask without waiting
  /// Bytes, a multiple of 512 (REQ-11).
  std::int64_t length() const { return length_.load(std::memory_order_relaxed); }
  bool has_variable_length() const { return driver_->has_variable_length(); }
  bool is_inserted() const { return driver_->is_inserted(); }
  std::uint64_t highest_written_offset() const { return highest_written_.load(relaxed); }

  // --- quiesce and in-flight
  // Any thread.
  // Sequentially consistent, because the drainer raises the quiesce count and then reads in-flight
  // while the home lowers in-flight and then reads the quiesce count: one of them must see the
  // other, or the drain would never be told.
  std::uint32_t in_flight() const { return in_flight_.load(); }
  std::uint32_t quiesce_count() const { return quiesce_.load(relaxed); }
  void quiesce_begin() { quiesce_.fetch_add(1); }
  void quiesce_end() { quiesce_.fetch_sub(1); }

  // --- requests
  aio::Task<Status> preadv(const Edge& via, std::int64_t offset, std::int64_t bytes, IoView data,
                           RequestFlags flags);
  aio::Task<Status> pwritev(const Edge& via, std::int64_t offset, std::int64_t bytes, IoView data,
                            RequestFlags flags);
  aio::Task<Status> pwrite_zeroes(const Edge& via, std::int64_t offset, std::int64_t bytes,
                                  RequestFlags flags);
  aio::Task<Status> pdiscard(const Edge& via, std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> flush();
  aio::Task<Status> truncate(const Edge& via, TruncateRequest request, ErrorReport& report);
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes);
  aio::Task<std::int64_t> current_length();
  aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset, std::int64_t bytes);
  aio::Task<std::int64_t> allocated_size() { return driver_->allocated_size(); }

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

  bool is_request_aligned(std::int64_t offset, std::int64_t bytes) const {
    return ((offset | bytes) & (limits_.request_alignment - 1)) == 0;
  }
  /// Aligned, short enough, inside the node, and nothing serialising that it might overlap: the
  /// driver can have it as it is.
  bool is_simple(std::int64_t offset, std::int64_t bytes) const {
    return is_request_aligned(offset, bytes) && bytes <= transfer_limit_ &&
           offset + bytes <= length() && !tracker_.has_serialising();
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
  // node-write.cpp
  aio::Task<Status> finish_write(aio::Task<Status> io, std::int64_t offset, std::int64_t bytes);
  aio::Task<Status> write_slow(std::int64_t offset, std::int64_t bytes, IoView data,
                               RequestFlags flags);
  aio::Task<Status> start_write(TrackedRequest& tracked, bool padded, RequestFlags flags);
  aio::Task<Status> read_padding(PaddedRequest& padded);
  aio::Task<Status> write_pieces(std::int64_t offset, std::int64_t bytes, IoView data,
                                 RequestFlags flags);
  aio::Task<Status> write_fua(std::int64_t offset, std::int64_t bytes, IoView data,
                              RequestFlags flags);
  void note_write(std::int64_t offset, std::int64_t bytes, const Status& status);
  // node-zero.cpp
  aio::Task<Status> zero_slow(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> zero_padded(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> aligned_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> bounce_zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags);
  aio::Task<Status> discard_slow(std::int64_t offset, std::int64_t bytes);
  // node-control.cpp
  aio::Task<Status> flush_slow();
  aio::Task<Status> flush_disk_and_children(std::uint64_t generation);
  aio::Task<Status> truncate_slow(TruncateRequest request, ErrorReport& report);
  aio::Task<std::int64_t> refresh_length();
  void set_length(std::int64_t bytes);

  aio::AioContext* context_;
  NodeOptions options_;
  std::unique_ptr<Driver> driver_;
  GraphListener& listener_;
  std::vector<std::unique_ptr<Edge>> children_;
  Limits limits_;
  std::int64_t transfer_limit_ = kMaxTransfer;  // limits_.max_transfer, aligned down, never 0
  std::atomic<std::int64_t> length_{0};
  std::atomic<std::uint64_t> highest_written_{0};
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint32_t> quiesce_{0};
  RequestTracker tracker_{context_};
  // Flush generations (FLUSH-2..5): a flush covers the writes that had ended when it was asked for.
  std::uint64_t write_generation_ = 0;
  std::uint64_t flushed_generation_ = 0;
  bool flush_active_ = false;
  aio::WaitQueue flush_queue_;
};

}  // namespace blk::block
