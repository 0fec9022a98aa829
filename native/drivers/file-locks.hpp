// Image locks: what a node does with its file and what it lets others do, as other programs see it.
//
//   byte 100 + i   locked while permission bit i is held
//   byte 200 + i   locked while permission bit i is not shared
//
// All locks are for reading, so any number of users can hold the same byte; who wants to know
// whether others hold it asks whether a write lock would be refused. Everything below byte 100
// belongs to others.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <string>

#include "block/error-report.hpp"
#include "block/flags.hpp"

namespace blk::drivers {

/// fcntl() as locks use it, so that tests can put another kernel underneath.
class LockCalls {
 public:
  LockCalls() = default;
  LockCalls(const LockCalls&) = delete;
  LockCalls& operator=(const LockCalls&) = delete;
  virtual ~LockCalls() = default;

  /// 0 or a negative errno.
  virtual int control(int fd, int command, struct flock& lock) const = 0;

  static const LockCalls& of_the_kernel();
};

enum class LockKind : std::uint8_t {
  kNone,
  kOpenFile,  // belong to the open file description: two nodes of a process conflict (LOCK-9)
  kProcess,   // POSIX: belong to the process, and end with the first close() of the file in it
};

/// What the option locking=on|off|auto means for this file on this kernel.
LockKind choose_locks(const LockCalls& calls, int fd, const std::string& option);

/// The locks on one descriptor. One thread at a time.
class FileLocks {
 public:
  explicit FileLocks(const LockCalls& calls = LockCalls::of_the_kernel()) : calls_(calls) {}

  /// From now on for this descriptor, on which nothing is locked yet. The name is for errors.
  void open(int fd, LockKind kind, std::string filename);
  LockKind kind() const { return kind_; }
  const LockCalls& calls() const { return calls_; }

  /// Phase one of a change: adds what the pair needs. Fails when another user of the file does not
  /// agree, and then everything is as it was. Loosening locks and asks nothing, so it cannot fail.
  int check(block::Permissions permissions, block::Permissions shared, block::ErrorReport& report);
  /// Phase two: gives up what the pair checked last does not need, or ...
  int commit();
  /// ... all that the check has added. Both give the errno of an unlock that failed, which leaves
  /// that byte locked until the next change.
  int abort();

  /// Locks the same bytes on another descriptor of the file.
  int copy_to(int fd) const;
  /// Goes over to that descriptor, with whatever is locked by now; no byte is free meanwhile.
  int move_to(int fd);
  /// Unlocks everything, without waiting for close(): an engine may hold on to the file for a
  /// while.
  void release_all();

 private:
  /// Bits i of the locked bytes 100 + i and 200 + i.
  struct Bytes {
    block::Permissions held = 0;
    block::Permissions unshared = 0;

    bool contains(const Bytes& other) const {
      return ((held | other.held) == held) && ((unshared | other.unshared) == unshared);
    }
    Bytes with(const Bytes& other) const { return {held | other.held, unshared | other.unshared}; }
    bool empty() const { return held == 0 && unshared == 0; }
  };

  int lock(const Bytes& bytes, block::ErrorReport& report);
  int unlock_all_but(const Bytes& bytes);
  int find_conflict(const Bytes& bytes, block::ErrorReport& report) const;
  int fail(int error, int byte, block::ErrorReport& report) const;
  int set_lock(int fd, short type, int byte) const;

  const LockCalls& calls_;
  int fd_ = -1;
  LockKind kind_ = LockKind::kNone;
  std::string filename_;
  Bytes locked_;   // on the descriptor now
  Bytes settled_;  // what the last change that was committed needs
  Bytes wanted_;   // what the last check was for
};

}  // namespace blk::drivers
