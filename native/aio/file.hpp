// An open file as engines see it.
#pragma once

#include <atomic>
#include <cstdint>

#include "aio/list.hpp"

namespace blk::aio {

struct IoOp;

/// A closed-on-destruction file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// How buffered writes to this file are best issued from a ring. Learned from the first write:
/// it is tried with RWF_NOWAIT, and EOPNOTSUPP (ext4: the kernel would punt every buffered write to
/// a worker thread of its own) sends this and every later write to the engine's workers.
enum class RingWrites : std::uint8_t { kUnknown, kAsync, kPunted };

/// Writes that wait for their turn; see write-lines.hpp.
struct WriteLine {
  IntrusiveList<IoOp> waiting;
  bool taken = false;
  // Among the lines that are taken.
  WriteLine* before = nullptr;
  WriteLine* after = nullptr;
};

/// What engines keep per file. Lives in the context of its node: home thread only.
struct File {
  UniqueFd fd;
  bool direct = false;
  RingWrites ring_writes = RingWrites::kUnknown;
  /// So many single reads, and single writes, are handed over at once; see on-the-spot.hpp.
  std::uint8_t read_now_pause = 0;
  std::uint8_t write_now_pause = 0;
  /// aio=threads: every operation goes to the engine's workers, whatever the engine is.
  bool workers_only = false;
  /// Buffered, and a regular file: its writes gain nothing from several workers.
  bool one_writer = false;
  WriteLine line;  // of the worker pool, under its lock
  /// Slot in the ring's registered-file table, or -1. Owned by the engine that set it.
  std::int32_t ring_slot = -1;
};

}  // namespace blk::aio
