// Opening, probing, measuring and closing of files and devices. All of it on workers.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "aio/blocking.hpp"
#include "block/node.hpp"
#include "drivers/alignment-probe.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::ErrorReport;
using block::Status;

namespace {

std::int64_t file_length(int fd) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  return end < 0 ? -errno : end;
}

/// The kernel lets a read-only block device be opened for writing, and refuses the writes (FILE-5).
bool is_sealed_device(int fd) {
  int read_only = 0;
  return ::ioctl(fd, BLKROGET, &read_only) == 0 && read_only != 0;
}

std::int64_t read_start(int fd, std::byte* memory, std::size_t bytes) {
  ssize_t result = 0;
  do {
    result = ::pread(fd, memory, bytes, 0);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

}  // namespace

Task<Status> FileDriver::open(block::Node& node, const block::Options& options,
                              ErrorReport& report) {
  context_ = &node.context();
  node_ = &node;
  filename_ = options.get_string("filename");
  file_.direct = options.get_bool("cache.direct", false);
  mode_ = mode_from(options, node.read_only());
  access_ = {.writable = !node.read_only() && !mode_.auto_read_only, .direct = file_.direct};
  if (int error = check_aio(options.get_string("aio", "auto"), report); error != 0) {
    co_return Status(error);
  }
  Opened opened;
  const std::string locking = options.get_string("locking", "auto");
  const bool temporary = options.get_bool("x-temporary", false);
  auto body = [&]() -> std::int64_t {
    int error = open_on_worker(filename_, access_, opened, report);
    if (error == 0 && temporary && ::unlink(filename_.c_str()) < 0) {
      error = report.fail(-errno, "delete-failed", {{"filename", filename_}});
    }
    opened.locks = choose_locks(locks_.calls(), opened.fd.get(), error == 0 ? locking : "off");
    return error;
  };
  auto op = aio::run_control(engine(), body);
  const std::int64_t result = co_await op;
  if (result < 0) {
    if (report.error == 0) {
      report.fail(static_cast<int>(result), "open-failed", {{"filename", filename_}});
    }
    co_return Status(static_cast<int>(result));
  }
  file_.fd = std::move(opened.fd);
  locks_.open(fd(), opened.locks, filename_);
  if (locks_.kind() == LockKind::kProcess) {
    node.warn(block::Warning::kProcessLocks);
  }
  device_ = S_ISBLK(opened.mode) || S_ISCHR(opened.mode);
  file_.one_writer = !device_ && !file_.direct;
  limits_.request_alignment = opened.request_alignment;
  limits_.memory_alignment = opened.memory_alignment;
  limits_.max_iov = block::kMaxIov;
  co_return Status();
}

int FileDriver::check_aio(const std::string& aio, ErrorReport& report) {
  if (aio == "native" && !file_.direct) {
    return report.fail(-EINVAL, "aio-native-needs-direct", {{"filename", filename_}});
  }
  if (aio == "io_uring" && std::strcmp(engine().name(), "threads") == 0) {
    return report.fail(-ENOSYS, "aio-io_uring-unavailable", {{"filename", filename_}});
  }
  file_.workers_only = aio == "threads";
  return 0;
}

int FileDriver::open_on_worker(const std::string& path, Access access, Opened& opened,
                               ErrorReport& report) const {
  const int flags = (access.writable ? O_RDWR : O_RDONLY) | (access.direct ? O_DIRECT : 0);
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const int error = errno == EROFS ? EACCES : errno;  // FILE-2
    const bool no_direct = error == EINVAL && access.direct;
    const char* kind = error == EISDIR ? "is-directory" : "open-failed";
    return report.fail(-error, no_direct ? "direct-unsupported" : kind, {{"filename", filename_}});
  }
  opened.fd.reset(fd);
  struct stat info{};
  if (::fstat(fd, &info) < 0) {
    return report.fail(-errno, "open-failed", {{"filename", filename_}});
  }
  opened.mode = info.st_mode;
  if (int error = check_type(info.st_mode, filename_, !access.writable, report); error != 0) {
    return error;
  }
  if (access.writable && S_ISBLK(info.st_mode) && is_sealed_device(fd)) {
    return report.fail(-EACCES, "open-failed", {{"filename", filename_}});
  }
  return access.direct ? probe_alignment(opened, report) : 0;
}

int FileDriver::check_type(mode_t mode, const std::string& filename, bool /*read_only*/,
                           ErrorReport& report) const {
  if (!S_ISREG(mode)) {
    return report.fail(-EINVAL, S_ISDIR(mode) ? "is-directory" : "not-regular-file",
                       {{"filename", filename}});
  }
  return 0;
}

int FileDriver::probe_alignment(Opened& opened, ErrorReport& report) const {
  const int fd = opened.fd.get();
  int sector = 0;
  if (!S_ISBLK(opened.mode) || ::ioctl(fd, BLKSSZGET, &sector) != 0) {
    sector = 0;
  }
  Alignments found;
  const int error = probe_alignments(
      [fd](std::byte* memory, std::size_t bytes) { return read_start(fd, memory, bytes); },
      static_cast<std::uint32_t>(std::max(sector, 0)), found);
  if (error != 0) {
    return report.fail(error, error == -EINVAL ? "alignment-unknown" : "open-failed",
                       {{"filename", filename_}});
  }
  opened.request_alignment = found.request;
  opened.memory_alignment = found.memory;
  return 0;
}

Task<std::int64_t> FileDriver::length() {
  const int descriptor = fd();
  auto body = [descriptor]() -> std::int64_t { return file_length(descriptor); };
  auto op = aio::run_control(engine(), body);
  co_return co_await op;
}

Task<std::int64_t> FileDriver::allocated_size() {
  const int descriptor = fd();
  auto body = [descriptor]() -> std::int64_t {
    struct stat info{};
    return ::fstat(descriptor, &info) < 0 ? -errno : std::int64_t{info.st_blocks} * 512;
  };
  auto op = aio::run_control(engine(), body);
  co_return co_await op;
}

Task<Status> FileDriver::close() {
  if (!file_.fd) {
    co_return Status();
  }
  engine().forget_file(file_);
  pending_.reset();
  // close() may write back and block for long (network file systems), so a worker does it.
  const int descriptor = file_.fd.release();
  auto body = [this, descriptor]() -> std::int64_t {
    locks_.release_all();
    return ::close(descriptor) < 0 ? -errno : 0;
  };
  auto op = aio::run_control(engine(), body);
  const std::int64_t result = co_await op;
  if (result == -ECANCELED) {
    ::close(descriptor);  // teardown: no worker took it
  }
  co_return Status();
}

}  // namespace blk::drivers
