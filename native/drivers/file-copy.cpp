// Copying from file to file inside the kernel.
#include <unistd.h>

#include <cerrno>

#include "aio/blocking.hpp"
#include "block/node.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::CopyRange;
using block::Status;

namespace {

/// 0 or a negative errno. Of a copy that got nowhere the kernel gives no errno: ENOSPC tells the
/// caller to copy by himself (COPY-4).
int copy_all(int source, off_t source_offset, int target, off_t target_offset, std::int64_t bytes) {
  while (bytes > 0) {
    const ssize_t copied = ::copy_file_range(source, &source_offset, target, &target_offset,
                                             static_cast<std::size_t>(bytes), 0);
    if (copied > 0) {
      bytes -= copied;
    } else if (copied == 0) {
      return -ENOSPC;
    } else if (errno != EINTR) {
      return errno == ENOSYS ? -ENOTSUP : -errno;
    }
  }
  return 0;
}

}  // namespace

Task<Status> FileDriver::copy_range_from(CopyRange copy) {
  return copy.target->node->copy_range_to(copy);
}

// Both descriptors stay open: the copy is in flight on the nodes of both.
Task<Status> FileDriver::copy_range_to(CopyRange copy) {
  const auto* source = dynamic_cast<const FileDriver*>(&copy.source->node->driver());
  if (source == nullptr) {
    co_return Status(-ENOTSUP);
  }
  const int from = source->fd();
  const int to = fd();
  auto body = [&]() -> std::int64_t {
    return copy_all(from, copy.source_offset, to, copy.target_offset, copy.bytes);
  };
  auto op = aio::run_blocking(engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

}  // namespace blk::drivers
