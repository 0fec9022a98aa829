// Making and deleting image files. On workers of the context that was asked.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "aio/blocking.hpp"
#include "drivers/file-size.hpp"
#include "drivers/file.hpp"

namespace blk::drivers {

using aio::Task;
using block::ErrorReport;
using block::Preallocation;
using block::Status;

namespace {

constexpr mode_t kMode = 0644;
constexpr std::int64_t kDefaultExtentHint = 1 << 20;  // fewer, larger extents

struct NewFile {
  std::string filename;
  std::int64_t size = 0;
  Preallocation preallocation = Preallocation::kOff;
  bool nocow = false;
  std::int64_t extent_size_hint = kDefaultExtentHint;
};

Preallocation preallocation_named(const std::string& name) {
  if (name == "metadata") {
    return Preallocation::kMetadata;
  }
  if (name == "falloc") {
    return Preallocation::kFalloc;
  }
  return name == "full" ? Preallocation::kFull : Preallocation::kOff;
}

NewFile new_file_from(const block::Options& options) {
  NewFile file;
  file.filename = options.get_string("filename");
  file.size = options.get_int("size", 0);
  file.preallocation = preallocation_named(options.get_string("preallocation", "off"));
  file.nocow = options.get_bool("nocow", false);
  file.extent_size_hint = options.get_int("extent-size-hint", kDefaultExtentHint);
  return file;
}

int open_file(const NewFile& file, aio::UniqueFd& fd, ErrorReport& report) {
  do {
    fd.reset(::open(file.filename.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, kMode));
  } while (!fd && errno == EINTR);
  if (!fd) {
    return report.fail(errno == EROFS ? -EACCES : -errno, "create-failed",
                       {{"filename", file.filename}});
  }
  return 0;
}

/// Hints to the file system: what it does not know does not matter.
void give_hints(int fd, const NewFile& file) {
  if (file.nocow) {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
      flags |= FS_NOCOW_FL;
      ::ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
  }
  if (file.extent_size_hint > 0) {
    fsxattr attributes{};
    if (::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0) {
      attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
      attributes.fsx_extsize = static_cast<std::uint32_t>(file.extent_size_hint);
      ::ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
    }
  }
}

/// The locks come before the first byte changes: a file that others use keeps its content
/// (FILE-19).
int fill_file(int fd, FileLocks& locks, const NewFile& file, ErrorReport& report) {
  locks.open(fd, choose_locks(locks.calls(), fd, "auto"), file.filename);
  const int refused = locks.check(block::kPermWrite | block::kPermResize,
                                  block::kPermAll & ~block::kPermResize, report);
  if (refused != 0) {
    return refused;
  }
  if (::ftruncate(fd, 0) < 0) {
    return report.fail(-errno, "create-failed", {{"filename", file.filename}});
  }
  give_hints(fd, file);
  block::TruncateRequest request;
  request.size = file.size;
  request.preallocation = file.preallocation;
  return resize_file(fd, file.filename, 0, request, report);
}

int create_on_worker(const NewFile& file, FileLocks& locks, ErrorReport& report) {
  if (file.preallocation == Preallocation::kMetadata) {
    return report.fail(-ENOTSUP, "preallocation-unsupported", {{"filename", file.filename}});
  }
  aio::UniqueFd fd;
  int error = open_file(file, fd, report);
  if (error == 0) {
    error = fill_file(fd.get(), locks, file, report);
    locks.release_all();
  }
  return error;
}

/// Only regular files: nobody means a device, or a link to nowhere (FILE-21).
int remove_on_worker(const std::string& filename, ErrorReport& report) {
  struct stat info{};
  if (::stat(filename.c_str(), &info) < 0 || !S_ISREG(info.st_mode)) {
    return report.fail(-ENOENT, "delete-not-regular", {{"filename", filename}});
  }
  if (::unlink(filename.c_str()) < 0) {
    return report.fail(-errno, "delete-failed", {{"filename", filename}});
  }
  return 0;
}

}  // namespace

Task<Status> FileDriver::create(aio::AioContext& context, const block::Options& options,
                                ErrorReport& report) {
  const NewFile file = new_file_from(options);
  auto body = [&]() -> std::int64_t { return create_on_worker(file, locks_, report); };
  auto op = aio::run_control(context.engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

Task<Status> FileDriver::remove(aio::AioContext& context, const block::Options& options,
                                ErrorReport& report) {
  const std::string filename = options.get_string("filename");
  auto body = [&]() -> std::int64_t { return remove_on_worker(filename, report); };
  auto op = aio::run_control(context.engine(), body);
  const std::int64_t result = co_await op;
  co_return Status(static_cast<int>(result));
}

}  // namespace blk::drivers
