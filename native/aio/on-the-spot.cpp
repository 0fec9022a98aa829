#include "aio/on-the-spot.hpp"

#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "aio/worker-pool.hpp"

namespace blk::aio {
namespace {

/// A miss costs a system call that was for nothing, so one in sixteen at most is.
constexpr std::uint8_t kPauseAfterMiss = 15;

/// Copying 2 MiB takes less. Whoever waits longer waits for the disk: then others do.
constexpr Nanoseconds kSlow = 1'000'000;
constexpr std::uint8_t kPauseAfterSlow = 15;

}  // namespace

// musl has functions for it since 1.2.5 only. The kernel takes the offset in two longs, of which
// the first holds all of it.
std::int64_t transfer_without_waiting(const IoOp& op) {
  const long call = op.opcode == IoOpcode::kRead ? SYS_preadv2 : SYS_pwritev2;
  const int count = static_cast<int>(std::min<std::uint32_t>(op.iovcnt, IOV_MAX));
  const long bytes = syscall(call, op.file->fd.get(), op.iov, count, op.offset, 0L, RWF_NOWAIT);
  return bytes < 0 ? -errno : bytes;
}

bool read_now(IoOp& op) {
  File& file = *op.file;
  if (file.read_now_pause > 0) {
    --file.read_now_pause;
    return false;
  }
  const std::int64_t bytes = transfer_without_waiting(op);
  if (bytes < 0) {
    // Not there, or a file system that refuses the flag. A real error will come again.
    file.read_now_pause = kPauseAfterMiss;
    return false;
  }
  op.result = bytes;
  return true;
}

bool write_now(IoOp& op, const Clock& clock) {
  File& file = *op.file;
  if (file.write_now_pause > 0) {
    --file.write_now_pause;
    return false;
  }
  const Nanoseconds began = clock.now();
  op.result = execute_blocking(op);
  if (clock.now() - began > kSlow) {
    file.write_now_pause = kPauseAfterSlow;
  }
  return true;
}

}  // namespace blk::aio
