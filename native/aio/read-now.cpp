#include "aio/read-now.hpp"

#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace blk::aio {
namespace {

/// A miss costs a system call that was for nothing, so one in sixteen at most is.
constexpr std::uint8_t kPause = 15;

}  // namespace

bool read_now(IoOp& op) {
  File& file = *op.file;
  if (file.read_now_pause > 0) {
    --file.read_now_pause;
    return false;
  }
  const int count = static_cast<int>(std::min<std::uint32_t>(op.iovcnt, IOV_MAX));
  // musl has a function for it since 1.2.5 only. The kernel takes the offset in two longs, of which
  // the first holds all of it.
  const ssize_t bytes =
      syscall(SYS_preadv2, file.fd.get(), op.iov, count, op.offset, 0L, RWF_NOWAIT);
  if (bytes < 0) {
    // Not there, or a file system that refuses the flag. A real error will come again.
    file.read_now_pause = kPause;
    return false;
  }
  op.result = bytes;
  return true;
}

}  // namespace blk::aio
