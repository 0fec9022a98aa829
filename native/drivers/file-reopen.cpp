// Changes of an open file: permissions and their locks, reopening, taking over after another
// process.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "aio/blocking.hpp"
#include "block/node.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::ErrorReport;
using block::Permissions;
using block::Status;

namespace {

constexpr Permissions kWriting =
    block::kPermWrite | block::kPermWriteUnchanged | block::kPermResize;
constexpr std::int64_t kResidencyWindow = 128 << 20;  // bytes mapped at a time

/// On a worker: close() may write back and block for long. During teardown none takes it, and the
/// frame closes it.
aio::Detached close_later(aio::Engine& engine, aio::UniqueFd fd) {
  auto body = [&fd]() -> std::int64_t {
    fd.reset();
    return 0;
  };
  auto op = aio::run_control(engine, body);
  co_await op;
}

/// A page of the window is in the page cache: 1, none: 0, or a negative errno.
int is_resident(int fd, std::int64_t offset, std::int64_t bytes) {
  const auto length = static_cast<std::size_t>(bytes);
  void* window = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, offset);
  if (window == MAP_FAILED) {
    return -errno;
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((length + page - 1) / page);
  const int error = ::mincore(window, length, pages.data()) < 0 ? -errno : 0;
  ::munmap(window, length);
  if (error != 0) {
    return error;
  }
  return std::any_of(pages.begin(), pages.end(), [](unsigned char in) { return (in & 1) != 0; });
}

int check_cache_is_empty(int fd) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  for (off_t offset = 0; offset < end; offset += kResidencyWindow) {
    const int found =
        is_resident(fd, offset, std::min<std::int64_t>(kResidencyWindow, end - offset));
    if (found != 0) {
      return found < 0 ? found : -EBUSY;
    }
  }
  return end < 0 ? -errno : 0;
}

}  // namespace

// --- permissions

int FileDriver::check_permissions(Permissions permissions, Permissions shared,
                                  ErrorReport& report) {
  const Access& access = pending_ ? pending_->access : access_;
  const Mode& mode = pending_ ? pending_->mode : mode_;
  // Elsewhere a read-only descriptor belongs to a read-only node, which lib/ guards; it may hold
  // the permission to resize, to no avail.
  const Permissions needs_writable =
      mode.auto_read_only ? kWriting : kWriting & ~block::kPermResize;
  if (!access.writable && (permissions & needs_writable) != 0) {
    return report.fail(-EACCES, "file-not-writable", {{"filename", filename_}});
  }
  return locks_.check(permissions, shared, report);
}

void FileDriver::set_permissions() { warn_unless(locks_.commit()); }

void FileDriver::abort_permissions() { warn_unless(locks_.abort()); }

void FileDriver::warn_unless(int error) const {
  if (error != 0) {
    node_->warn(block::Warning::kUnlockFailed);
  }
}

// --- reopen

FileDriver::Mode FileDriver::mode_from(const block::Options& options, bool read_only) {
  return {.auto_read_only = !read_only && options.get_bool("auto-read-only", false),
          .drop_cache = options.get_bool("drop-cache", true),
          .check_cache_dropped = options.get_bool("x-check-cache-dropped", false)};
}

// Through the descriptor that is open, because the name may lead to another file by now, or
// nowhere.
int FileDriver::open_again_on_worker(Access access, Opened& opened, ErrorReport& report) const {
  const std::string path = "/proc/self/fd/" + std::to_string(fd());
  const bool has_proc = ::access(path.c_str(), F_OK) == 0;
  if (int error = open_on_worker(has_proc ? path : filename_, access, opened, report); error != 0) {
    return error;
  }
  if (int error = locks_.copy_to(opened.fd.get()); error != 0) {
    return report.fail(error, "relock-failed", {{"filename", filename_}});
  }
  return 0;
}

Task<Status> FileDriver::reopen_prepare(const block::ReopenRequest& request, ErrorReport& report) {
  Reopened next;
  next.mode = mode_from(request.options, request.read_only);
  next.access.writable = !request.read_only && (!next.mode.auto_read_only || request.wants_write);
  next.access.direct = request.options.get_bool("cache.direct", false);
  if (next.access != access_) {
    auto body = [&]() -> std::int64_t {
      return open_again_on_worker(next.access, next.opened, report);
    };
    auto op = aio::run_control(engine(), body);
    if (const std::int64_t result = co_await op; result < 0) {
      co_return Status(static_cast<int>(result));
    }
  }
  pending_ = std::move(next);
  co_return Status();
}

void FileDriver::reopen_commit() {
  if (!pending_) {
    return;
  }
  Reopened next = std::move(*pending_);
  pending_.reset();
  mode_ = next.mode;
  if (next.opened.fd) {
    adopt(std::move(next));
  }
}

void FileDriver::reopen_abort() {
  if (pending_ && pending_->opened.fd) {
    close_later(engine(), std::move(pending_->opened.fd));
  }
  pending_.reset();
}

// The new descriptor has the locks before the old one gives them up, so nobody can get in between
// (REOP-19). POSIX locks cannot do that: they end with any close.
void FileDriver::adopt(Reopened next) {
  int error = locks_.move_to(next.opened.fd.get());
  engine().forget_file(file_);
  aio::UniqueFd old = std::exchange(file_.fd, std::move(next.opened.fd));
  if (locks_.kind() == LockKind::kProcess) {
    old.reset();
    error = locks_.copy_to(fd());
  } else {
    close_later(engine(), std::move(old));
  }
  if (error != 0) {
    node_->warn(block::Warning::kRelockFailed);
  }
  access_ = next.access;
  file_.direct = access_.direct;
  file_.one_writer = !device_ && !file_.direct;
  file_.ring_writes = aio::RingWrites::kUnknown;
  limits_.request_alignment = next.opened.request_alignment;
  limits_.memory_alignment = next.opened.memory_alignment;
}

// --- migration

// Another process may have written to the disk past our page cache. What is dirty is written first,
// because only clean pages are dropped.
Task<Status> FileDriver::invalidate() {
  if (!file_.fd || file_.direct || !mode_.drop_cache) {
    co_return Status();
  }
  Status status = co_await flush_to_disk();
  if (!status.ok()) {
    co_return status;
  }
  const int descriptor = fd();
  const bool check = mode_.check_cache_dropped;
  auto body = [descriptor, check]() -> std::int64_t {
    const int error = ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    return error != 0 || !check ? -error : check_cache_is_empty(descriptor);
  };
  auto op = aio::run_control(engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

}  // namespace blk::drivers
