// Buffered writes to a regular file stand in line: one thread does them, one after the other.
//
// The kernel holds the lock of the file's inode for every buffered write. Threads that share them
// out would only wait for that lock, and wake each other up: four threads on one file do fewer
// writes than one does, at several times the CPU time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aio/engine.hpp"
#include "aio/file.hpp"
#include "aio/list.hpp"

namespace blk::aio {

/// Of one worker pool, and under its lock. So is File::line.
class WriteLines {
 public:
  /// False: `op` stands in line behind others of its file. True: a thread may take it.
  bool admit(IoOp* op) {
    if (!stands_in_line(*op)) {
      return true;
    }
    WriteLine& line = op->file->line;
    if (line.taken) {
      line.waiting.push_back(op);
      return false;
    }
    link(line);
    return true;
  }

  /// A thread takes `first`: moves it to `batch`, and what it does at once after it.
  static void take(IoOp* first, IntrusiveList<IoOp>& batch) {
    std::size_t bytes = bytes_of(*first);
    batch.push_back(first);
    if (!stands_in_line(*first)) {
      return;
    }
    IntrusiveList<IoOp>& waiting = first->file->line.waiting;
    while (batch.size() < kOps && waiting.front() != nullptr) {
      bytes += bytes_of(*waiting.front());
      if (bytes > kBytes) {
        return;
      }
      batch.push_back(waiting.pop_front());
    }
  }

  /// The file in whose line `op` stands; null: in none.
  static File* file_of(const IoOp& op) { return stands_in_line(op) ? op.file : nullptr; }

  /// A batch of that file is done: the next of its line, which a thread may take; null when there
  /// is none.
  IoOp* release(File& file) {
    IoOp* next = file.line.waiting.pop_front();
    if (next == nullptr) {
      unlink(file.line);
    }
    return next;
  }

  /// Nobody is to do what stands in line.
  void drop(IntrusiveList<IoOp>& dropped) {
    for (WriteLine* line = first_; line != nullptr; line = line->after) {
      line->waiting.splice_to(dropped);
    }
  }

 private:
  static constexpr std::size_t kOps = 32;
  static constexpr std::size_t kBytes = std::size_t{256} << 10;

  static bool stands_in_line(const IoOp& op) {
    return op.opcode == IoOpcode::kWrite && op.file->one_writer;
  }

  static std::size_t bytes_of(const IoOp& op) {
    std::size_t bytes = 0;
    for (std::uint32_t index = 0; index < op.iovcnt; ++index) {
      bytes += op.iov[index].iov_len;
    }
    return bytes;
  }

  void link(WriteLine& line) {
    line.taken = true;
    line.before = nullptr;
    line.after = first_;
    if (first_ != nullptr) {
      first_->before = &line;
    }
    first_ = &line;
  }

  void unlink(WriteLine& line) {
    line.taken = false;
    (line.before != nullptr ? line.before->after : first_) = line.after;
    if (line.after != nullptr) {
      line.after->before = line.before;
    }
  }

  WriteLine* first_ = nullptr;  // of those that are taken, in no order
};

}  // namespace blk::aio
