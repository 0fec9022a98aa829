// Zeroing, discarding and resizing: which of the kernel's ways a file supports is learned by
// trying, and remembered.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "aio/blocking.hpp"
#include "aio/memory.hpp"
#include "drivers/file-size.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::ErrorReport;
using block::Preallocation;
using block::Status;
using block::TruncateRequest;

namespace {

/// Not in this kernel, not on this file system, not for this kind of file.
bool is_unsupported(int error) {
  return error == -ENODEV || error == -ENOSYS || error == -EOPNOTSUPP || error == -ENOTTY;
}

int do_fallocate(int fd, int mode, std::int64_t offset, std::int64_t bytes) {
  int result = 0;
  do {
    result = ::fallocate(fd, mode, offset, bytes) == 0 ? 0 : -errno;
  } while (result == -EINTR);
  return is_unsupported(result) ? -ENOTSUP : result;
}

int device_ioctl(int fd, unsigned long request, std::int64_t offset, std::int64_t bytes) {
  std::array<std::uint64_t, 2> range{static_cast<std::uint64_t>(offset),
                                     static_cast<std::uint64_t>(bytes)};
  int result = 0;
  do {
    result = ::ioctl(fd, request, range.data()) == 0 ? 0 : -errno;
  } while (result == -EINTR);
  return is_unsupported(result) ? -ENOTSUP : result;
}

std::int64_t size_of(int fd) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  return end < 0 ? -errno : end;
}

int set_size(int fd, std::int64_t size) {
  int result = 0;
  do {
    result = ::ftruncate(fd, size) == 0 ? 0 : -errno;
  } while (result == -EINTR);
  return result;
}

// Beyond the end a hole is not enough: the file must grow to hold the zeroes. Within the disk's
// last sector, which a file may end in the middle of, they are there already (FILE-13).
int grow_to_hold(int fd, std::int64_t end) {
  constexpr std::int64_t kSector = 512;
  const std::int64_t size = size_of(fd);
  if (size < 0) {
    return static_cast<int>(size);
  }
  const std::int64_t length = (size + kSector - 1) / kSector * kSector;
  return end > length ? set_size(fd, end) : 0;
}

// Alignment probes read the first block; in an empty file they would learn nothing, so a file that
// grows from empty gets one real block of zeroes (TRUNC-7). Failures do not matter.
void allocate_first_block(int fd, std::int64_t size) {
  constexpr std::int64_t kBlock = 4096;
  const std::int64_t bytes = size >= kBlock ? kBlock : 512;
  if (size < 512) {
    return;
  }
  aio::AlignedBuffer zeroes = aio::AlignedBuffer::allocate(kBlock, kBlock);
  if (zeroes) {
    std::memset(zeroes.data(), 0, kBlock);
    [[maybe_unused]] const ssize_t ignored =
        ::pwrite(fd, zeroes.data(), static_cast<std::size_t>(bytes), 0);
  }
}

int grow_allocated(int fd, std::int64_t old_size, std::int64_t size) {
  int error = 0;
  do {
    error = old_size == size ? 0 : ::posix_fallocate(fd, old_size, size - old_size);
  } while (error == EINTR);
  return -error;
}

int grow_written(int fd, std::int64_t old_size, std::int64_t size) {
  if (int error = set_size(fd, size); error != 0) {
    return error;
  }
  constexpr std::int64_t kStep = 65536;
  aio::AlignedBuffer zeroes = aio::AlignedBuffer::allocate(kStep, 4096);
  if (!zeroes) {
    return -ENOMEM;
  }
  std::memset(zeroes.data(), 0, kStep);
  for (std::int64_t at = old_size; at < size;) {
    const auto step = static_cast<std::size_t>(std::min(size - at, kStep));
    const ssize_t written = ::pwrite(fd, zeroes.data(), step, at);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return written < 0 ? -errno : -ENOSPC;
    }
    at += written;
  }
  int result = 0;
  do {
    result = ::fsync(fd) == 0 ? 0 : -errno;
  } while (result == -EINTR);
  return result;
}

}  // namespace

// --- zero-writes

Task<Status> FileDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                       block::RequestFlags flags) {
  const bool may_unmap = (flags & block::kRequestMayUnmap) != 0;
  const bool no_fallback = (flags & block::kRequestNoFallback) != 0;
  auto body = [&]() -> std::int64_t {
    return zero_on_worker(offset, bytes, may_unmap, no_fallback);
  };
  auto op = aio::run_blocking(engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

// The flags has_zero_range_ and has_punch_hole_ are written here, on a worker, and only ever go
// from true to false; the home thread does not read them. Zero-writes of one node may run on two
// workers at once, hence the relaxed atomic access.
int FileDriver::zero_on_worker(std::int64_t offset, std::int64_t bytes, bool may_unmap,
                               bool no_fallback) {
  if (device_) {
    return zero_device(offset, bytes, no_fallback);
  }
  if (may_unmap && has_punch_hole_.load(std::memory_order_relaxed)) {
    const int result =
        do_fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
    if (result == -ENOTSUP) {
      has_punch_hole_.store(false, std::memory_order_relaxed);
    } else if (result != -EINVAL && result != -EBUSY) {
      return result == 0 ? grow_to_hold(fd(), offset + bytes) : result;
    }
  }
  if (has_zero_range_.load(std::memory_order_relaxed)) {
    const int result = do_fallocate(fd(), FALLOC_FL_ZERO_RANGE, offset, bytes);
    if (result == -ENOTSUP) {
      has_zero_range_.store(false, std::memory_order_relaxed);
    } else if (result != -EINVAL) {
      return result;
    }
  }
  if (has_punch_hole_.load(std::memory_order_relaxed)) {
    int result = do_fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
    if (result == 0) {
      result = do_fallocate(fd(), 0, offset, bytes);
    }
    if (result == -ENOTSUP) {
      has_punch_hole_.store(false, std::memory_order_relaxed);
    } else if (result != -EINVAL && result != -EBUSY) {
      return result;
    }
  }
  // Wholly past the end nothing needs zeroing: allocating is enough.
  return offset >= size_of(fd()) ? do_fallocate(fd(), 0, offset, bytes) : -ENOTSUP;
}

// Through the page cache the kernel's zero-out would leave stale pages (FILE-16), and it may write
// slowly, which a no-fallback request must not (ZERO-2).
int FileDriver::zero_device(std::int64_t offset, std::int64_t bytes, bool no_fallback) const {
  if (!file_.direct || no_fallback) {
    return -ENOTSUP;
  }
  return device_ioctl(fd(), BLKZEROOUT, offset, bytes);
}

// --- discards

Task<Status> FileDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  if (!has_discard_) {
    ++counters_.discard_failed;
    co_return Status(-ENOTSUP);
  }
  auto body = [&]() -> std::int64_t { return discard_on_worker(offset, bytes); };
  auto op = aio::run_blocking(engine(), body);
  const std::int64_t result = co_await op;
  if (result == 0) {
    ++counters_.discard_ok;
    counters_.discard_bytes_ok += static_cast<std::uint64_t>(bytes);
  } else {
    ++counters_.discard_failed;
    has_discard_ = has_discard_ && result != -ENOTSUP;
  }
  co_return Status(static_cast<int>(result));
}

int FileDriver::discard_on_worker(std::int64_t offset, std::int64_t bytes) const {
  return device_ ? device_ioctl(fd(), BLKDISCARD, offset, bytes)
                 : do_fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
}

// --- resize

Task<Status> FileDriver::truncate(TruncateRequest request, ErrorReport& report) {
  auto body = [&]() -> std::int64_t { return truncate_on_worker(request, report); };
  auto op = aio::run_blocking(engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

int FileDriver::truncate_on_worker(const TruncateRequest& request, ErrorReport& report) const {
  const std::int64_t old_size = size_of(fd());
  if (old_size < 0) {
    return report.fail(static_cast<int>(old_size), "truncate-failed", {{"filename", filename_}});
  }
  if (request.preallocation != Preallocation::kOff &&
      (device_ || request.preallocation == Preallocation::kMetadata || request.size < old_size)) {
    return report.fail(-ENOTSUP, "preallocation-unsupported", {{"filename", filename_}});
  }
  return device_ ? truncate_device(request, old_size, report)
                 : resize_file(fd(), filename_, old_size, request, report);
}

int resize_file(int fd, const std::string& filename, std::int64_t old_size,
                const TruncateRequest& request, ErrorReport& report) {
  int result = 0;
  switch (request.preallocation) {
    case Preallocation::kFalloc:
      result = grow_allocated(fd, old_size, request.size);
      break;
    case Preallocation::kFull:
      result = grow_written(fd, old_size, request.size);
      break;
    default:
      result = set_size(fd, request.size);
      if (result == 0 && old_size == 0) {
        allocate_first_block(fd, request.size);
      }
  }
  if (result == 0) {
    return 0;
  }
  set_size(fd, old_size);  // whatever a failed preallocation added goes away again
  return report.fail(result, "truncate-failed", {{"filename", filename}});
}

// A device has the size that it has (TRUNC-12).
int FileDriver::truncate_device(const TruncateRequest& request, std::int64_t size,
                                ErrorReport& report) const {
  if (request.size > size) {
    return report.fail(-EINVAL, "device-cannot-grow", {{"filename", filename_}});
  }
  if (request.exact && request.size != size) {
    return report.fail(-ENOTSUP, "device-fixed-size", {{"filename", filename_}});
  }
  return 0;
}

}  // namespace blk::drivers
