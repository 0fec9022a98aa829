// Where a file has data and where holes. Seeking may read the file system's metadata from the disk,
// so a worker does it.
#include <unistd.h>

#include <cerrno>

#include "aio/blocking.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::BlockStatus;

namespace {

/// The extent that holds an offset.
struct Extent {
  bool data = true;
  std::int64_t end = 0;  // where the other kind begins; 0: unknown
};

std::int64_t seek(int fd, std::int64_t offset, int whence) {
  const off_t found = ::lseek(fd, offset, whence);
  return found < 0 ? -errno : found;
}

// Whatever the file system cannot tell is data, which is never wrong (BST-6). The file can change
// between the two calls.
Extent extent_at(int fd, std::int64_t offset) {
  const std::int64_t data = seek(fd, offset, SEEK_DATA);
  if (data == -ENXIO) {
    return {.data = false, .end = 0};  // a hole up to the end, or past it
  }
  if (data > offset) {
    return {.data = false, .end = data};
  }
  const std::int64_t hole = data == offset ? seek(fd, offset, SEEK_HOLE) : -EINVAL;
  return {.data = true, .end = hole > offset ? hole : 0};
}

}  // namespace

Task<BlockStatus> FileDriver::block_status(bool want_zero, std::int64_t offset,
                                           std::int64_t bytes) {
  BlockStatus status = BlockStatus::data_at(offset, bytes);
  if (!want_zero) {
    co_return status;
  }
  const int descriptor = fd();
  Extent extent;
  auto body = [descriptor, offset, &extent]() -> std::int64_t {
    extent = extent_at(descriptor, offset);
    return 0;
  };
  auto op = aio::run_blocking(engine(), body);
  if (const std::int64_t result = co_await op; result < 0) {
    co_return BlockStatus::failed(static_cast<int>(result));
  }
  status.data = extent.data;
  status.zero = !extent.data;
  if (extent.end != 0) {
    // More than was asked for is an answer, too. The last block may be data in part, and a request
    // reads all of it.
    const std::int64_t align = limits_.request_alignment;
    const std::int64_t found = extent.end - offset;
    status.bytes = extent.data ? (found + align - 1) & ~(align - 1) : found;
  }
  co_return status;
}

}  // namespace blk::drivers
