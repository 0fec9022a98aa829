// A log of writes on a node: entries are appended in the order in which their places were taken.
//
//   reserve(write), reserve(flush), reserve(write) ...   places in the queue
//   commit(entry)                                        it may be written, waits until it is
//   batch: all entries in front that may be written --> a few large writes, one after the other
//
// One batch is under way at a time and the end of the log moves only when a batch was written, so
// a failed one leaves no gap: the next batch takes its place. The superblock counts all entries
// whenever nothing waits, and durably after each flush and each interval. Home thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "aio/list.hpp"
#include "aio/memory.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "block/error-report.hpp"
#include "block/io-view.hpp"
#include "block/status.hpp"
#include "drivers/write-log-format.hpp"

namespace blk::block {
class Node;
struct Edge;
}  // namespace blk::block

namespace blk::drivers {

struct WriteLogSettings {
  std::uint32_t sector_size = 512;      // bytes, a power of two, at least 32, less than 16 MiB
  std::uint64_t super_interval = 4096;  // entries after which the log is made durable
};

bool is_log_sector_size(std::int64_t bytes);

class WriteLog {
 public:
  /// An entry on its way into the log. Lives in the frame of its request.
  struct Record {
    explicit Record(WriteLogEntry what) : entry(what) {}

    WriteLogEntry entry;
    block::IoView data;      // of a write, unless it is of zeroes
    bool is_zeroes = false;  // as many as entry.sectors says

    Record* next = nullptr;
    bool is_ready = false;
    bool is_done = false;
    block::Status status;
    aio::WaitQueue waiting;
  };

  WriteLog(block::Node& owner, block::Edge& edge) : owner_(owner), edge_(edge) {}
  WriteLog(const WriteLog&) = delete;
  WriteLog& operator=(const WriteLog&) = delete;

  void start_new(const WriteLogSettings& settings) { settings_ = settings; }
  /// Goes on behind the entries that are there; an empty node is a log without any.
  aio::Task<block::Status> continue_existing(std::uint64_t super_interval,
                                             block::ErrorReport& report);
  std::uint64_t super_interval() const { return settings_.super_interval; }
  void set_super_interval(std::uint64_t entries) { settings_.super_interval = entries; }

  std::uint32_t sector_size() const { return settings_.sector_size; }
  std::uint64_t entries() const { return entries_; }
  /// There is a log on the node: of ours or, with `continue_existing`, of before.
  bool has_super() const { return has_super_; }

  /// Takes the next place; what comes later is written after it, however long it takes.
  void reserve(Record& record) { queue_.push_back(&record); }
  /// Writes it, as soon as all before it may be written, and waits for that.
  aio::Task<block::Status> commit(Record& record);
  /// Gives the place up.
  void withdraw(Record& record);
  /// Makes the superblock count all entries, durably. Nothing is under way.
  aio::Task<block::Status> finish();

 private:
  /// Bytes at a place in the log that are written in one go.
  struct Piece {
    std::int64_t offset = 0;
    std::int64_t bytes = 0;
    bool is_zeroes = false;
    block::IoSlice data;
    std::uint32_t vectors = 0;
  };
  using Batch = aio::IntrusiveList<Record>;

  aio::Task<block::Status> read_super(WriteLogSuper& super, block::ErrorReport& report);
  aio::Task<block::Status> find_end(const WriteLogSuper& super, block::ErrorReport& report);
  aio::Task<block::Status> read_at(std::int64_t offset, std::byte* target, std::size_t bytes);
  void start();
  aio::Detached run();
  bool has_writable() const { return !queue_.empty() && queue_.front()->is_ready; }
  void take_batch(Batch& batch);
  aio::Task<block::Status> write_batch(const Batch& batch);
  std::vector<Piece> layout(const Batch& batch, std::byte* headers, std::uint64_t& end) const;
  aio::Task<block::Status> write_pieces(const std::vector<Piece>& pieces);
  bool wants_super(const Batch& batch) const;
  aio::Task<block::Status> write_super();

  block::Node& owner_;
  block::Edge& edge_;
  WriteLogSettings settings_;
  Batch queue_;
  bool running_ = false;
  bool has_super_ = false;
  std::uint64_t end_ = 1;  // sectors
  std::uint64_t entries_ = 0;
  std::uint64_t super_entries_ = 0;  // as the superblock has it
};

}  // namespace blk::drivers
