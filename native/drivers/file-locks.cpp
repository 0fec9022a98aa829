#include "drivers/file-locks.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace blk::drivers {

using block::ErrorReport;
using block::Permissions;

namespace {

constexpr int kHeldBase = 100;
constexpr int kUnsharedBase = 200;
constexpr int kBits = 4;
constexpr std::array<const char*, kBits> kBitNames{"consistent read", "write", "write unchanged",
                                                   "resize"};

class KernelLockCalls final : public LockCalls {
 public:
  int control(int fd, int command, struct flock& lock) const override {
    int result = 0;
    do {
      result = ::fcntl(fd, command, &lock);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
  }
};

struct flock one_byte(short type, int byte) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;  // l_pid must be 0 for locks of an open file description
}

/// Calls `function(byte)` for the byte of every bit that is set, until one gives an error.
template <typename Function>
int for_each_byte(Permissions bits, int base, Function function) {
  for (int i = 0; i < kBits; ++i) {
    if ((bits & (1U << i)) == 0) {
      continue;
    }
    if (int error = function(base + i); error != 0) {
      return error;
    }
  }
  return 0;
}

}  // namespace

const LockCalls& LockCalls::of_the_kernel() {
  static const KernelLockCalls calls;
  return calls;
}

LockKind choose_locks(const LockCalls& calls, int fd, const std::string& option) {
  if (option == "off") {
    return LockKind::kNone;
  }
  struct flock lock = one_byte(F_WRLCK, kHeldBase);
  if (calls.control(fd, F_OFD_GETLK, lock) == 0) {
    return LockKind::kOpenFile;
  }
  return option == "on" ? LockKind::kProcess : LockKind::kNone;
}

void FileLocks::open(int fd, LockKind kind, std::string filename) {
  fd_ = fd;
  kind_ = kind;
  filename_ = std::move(filename);
  locked_ = settled_ = wanted_ = {};
}

// First all bytes of the old and the new needs together, then the questions: of two users that
// tighten at the same time at least one sees the other.
int FileLocks::check(Permissions permissions, Permissions shared, ErrorReport& report) {
  wanted_ = {permissions & block::kPermAll, ~shared & block::kPermAll};
  if (kind_ == LockKind::kNone || settled_.contains(wanted_)) {
    return 0;
  }
  int error = lock(wanted_, report);
  if (error == 0) {
    error = find_conflict(wanted_, report);
  }
  if (error != 0) {
    abort();
  }
  return error;
}

int FileLocks::commit() {
  settled_ = wanted_;
  return unlock_all_but(settled_);
}

int FileLocks::abort() {
  wanted_ = settled_;
  return unlock_all_but(settled_);
}

int FileLocks::lock(const Bytes& bytes, ErrorReport& report) {
  const auto add = [&](Permissions& locked, int base) {
    return [this, &locked, base, &report](int byte) {
      if (int error = set_lock(fd_, F_RDLCK, byte); error != 0) {
        return fail(error, byte, report);
      }
      locked |= 1U << (byte - base);
      return 0;
    };
  };
  int error = for_each_byte(bytes.held & ~locked_.held, kHeldBase, add(locked_.held, kHeldBase));
  if (error == 0) {
    error = for_each_byte(bytes.unshared & ~locked_.unshared, kUnsharedBase,
                          add(locked_.unshared, kUnsharedBase));
  }
  return error;
}

// One failure must not keep the other bytes locked.
int FileLocks::unlock_all_but(const Bytes& bytes) {
  int first_error = 0;
  const auto remove = [&](Permissions& locked, int base) {
    return [this, &locked, base, &first_error](int byte) {
      const int error = set_lock(fd_, F_UNLCK, byte);
      if (error == 0) {
        locked &= ~(1U << (byte - base));
      } else if (first_error == 0) {
        first_error = error;
      }
      return 0;
    };
  };
  for_each_byte(locked_.held & ~bytes.held, kHeldBase, remove(locked_.held, kHeldBase));
  for_each_byte(locked_.unshared & ~bytes.unshared, kUnsharedBase,
                remove(locked_.unshared, kUnsharedBase));
  return first_error;
}

// Nobody else may refuse what is wanted, nor want what is refused.
int FileLocks::find_conflict(const Bytes& bytes, ErrorReport& report) const {
  const int command = kind_ == LockKind::kOpenFile ? F_OFD_GETLK : F_GETLK;
  const auto ask_for = [&](int blamed_base, int asked_base) {
    return [this, command, blamed_base, asked_base, &report](int byte) {
      struct flock lock = one_byte(F_WRLCK, byte);
      int error = calls_.control(fd_, command, lock);
      if (error == 0 && lock.l_type != F_UNLCK) {
        error = -EAGAIN;
      }
      const int blamed = blamed_base + byte - asked_base;
      return error == 0 ? 0 : fail(error, blamed, report);
    };
  };
  int error = for_each_byte(bytes.held, kUnsharedBase, ask_for(kHeldBase, kUnsharedBase));
  if (error == 0) {
    error = for_each_byte(bytes.unshared, kHeldBase, ask_for(kUnsharedBase, kHeldBase));
  }
  return error;
}

/// `byte` is the one that we want and cannot have: it names the permission.
int FileLocks::fail(int error, int byte, ErrorReport& report) const {
  if (error != -EAGAIN && error != -EACCES) {
    return report.fail(error, "lock-failed",
                       {{"filename", filename_}, {"byte", std::to_string(byte)}});
  }
  const bool is_shared = byte >= kUnsharedBase;
  const int bit = byte - (is_shared ? kUnsharedBase : kHeldBase);
  return report.fail(-EAGAIN, is_shared ? "lock-not-shared" : "lock-not-held",
                     {{"filename", filename_}, {"permission", kBitNames.at(bit)}});
}

int FileLocks::set_lock(int fd, short type, int byte) const {
  struct flock lock = one_byte(type, byte);
  return calls_.control(fd, kind_ == LockKind::kOpenFile ? F_OFD_SETLK : F_SETLK, lock);
}

int FileLocks::copy_to(int fd) const {
  const auto copy = [this, fd](int byte) { return set_lock(fd, F_RDLCK, byte); };
  const int error = for_each_byte(locked_.held, kHeldBase, copy);
  return error != 0 ? error : for_each_byte(locked_.unshared, kUnsharedBase, copy);
}

int FileLocks::move_to(int fd) {
  const int error = copy_to(fd);
  const Bytes locked = locked_;
  if (kind_ == LockKind::kOpenFile) {
    unlock_all_but({});
  }
  fd_ = fd;
  locked_ = locked;
  return error;
}

void FileLocks::release_all() {
  unlock_all_but({});
  locked_ = settled_ = wanted_ = {};
}

}  // namespace blk::drivers
