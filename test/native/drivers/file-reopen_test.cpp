// A file node that is reopened, on real files.
#include <linux/magic.h>
#include <sys/vfs.h>

#include <atomic>
#include <thread>

#include "drivers/fake-locks.hpp"
#include "drivers/open-file.hpp"

namespace {

using namespace blk::test;

constexpr Permissions CR = kPermConsistentRead;
constexpr Permissions W = kPermWrite;

struct AutoFile : OpenFile {
  ErrorReport report;

  explicit AutoFile(bool auto_read_only = true)
      : OpenFile("threads", false, "auto", auto_read_only) {}

  int prepare(bool wants_write, bool read_only = false) {
    ReopenRequest request;
    request.options = options;
    request.read_only = read_only;
    request.wants_write = wants_write;
    report = {};
    return run(driver->reopen_prepare(request, report)).error;
  }
  int reopen(bool wants_write, bool read_only = false) {
    const int error = prepare(wants_write, read_only);
    if (error == 0) {
      driver->reopen_commit();
      while (context.turn()) {
      }
    }
    return error;
  }
  int hold(Permissions permissions, Permissions shared = kPermAll) {
    report = {};
    const int error = driver->check_permissions(permissions, shared, report);
    if (error == 0) {
      driver->set_permissions();
    }
    return error;
  }
  /// O_RDONLY and O_RDWR of our descriptors of the file.
  std::vector<int> access_modes() const {
    std::vector<int> modes;
    for (int fd = 3; fd < 1024; ++fd) {
      std::error_code error;
      const auto link = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
      if (!error && link.string().starts_with(path)) {
        modes.push_back(::fcntl(fd, F_GETFL) & O_ACCMODE);
      }
    }
    return modes;
  }
};

using Modes = std::vector<int>;

}  // namespace

TEST_CASE("FILE-3: with auto-read-only the file is open for writing while somebody writes") {
  AutoFile file;
  CHECK(file.access_modes() == Modes{O_RDONLY});
  CHECK(file.read() == 0);
  CHECK(file.reopen(true) == 0);
  CHECK(file.access_modes() == Modes{O_RDWR});
  CHECK(file.reopen(true) == 0);
  CHECK(file.access_modes() == Modes{O_RDWR});
  CHECK(file.reopen(false) == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY});
  CHECK(file.reopen(true, true) == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY});
}

TEST_CASE("FILE-3: without it the file is open for writing unless it is read-only") {
  AutoFile file(false);
  CHECK(file.access_modes() == Modes{O_RDWR});
  CHECK(file.reopen(false) == 0);
  CHECK(file.access_modes() == Modes{O_RDWR});
  CHECK(file.reopen(false, true) == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY});
}

TEST_CASE("FILE-3: W, WU and RZ wait for the reopen, and are there when it has been prepared") {
  AutoFile file;
  for (Permissions bit : {kPermWrite, kPermWriteUnchanged, kPermResize}) {
    CHECK(file.hold(CR | bit) == -EACCES);
    CHECK(file.report.kind == "file-not-writable");
  }
  CHECK(file.hold(CR) == 0);
  REQUIRE(file.prepare(true) == 0);
  CHECK(file.hold(CR | W) == 0);
  file.driver->reopen_commit();
  while (file.context.turn()) {
  }
  CHECK(file.access_modes() == Modes{O_RDWR});
  // Giving everything up is not refused by a descriptor that cannot write.
  REQUIRE(file.prepare(false) == 0);
  CHECK(file.hold(CR) == 0);
  file.driver->reopen_commit();
  CHECK(file.hold(0) == 0);
}

TEST_CASE("FILE-4: an unwritable file is opened with auto-read-only, and refused without") {
  // Root may write to anything but a program that runs.
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  for (bool is_auto : {false, true}) {
    AutoFile file;
    file.options.set("filename", program);
    file.options.set("auto-read-only", is_auto);
    NodeOptions names;
    names.id = 2;
    auto* driver = new blk::drivers::FileDriver;
    Node node(file.context, names, std::unique_ptr<Driver>(driver), file);
    ErrorReport report;
    CHECK(file.run(node.open(file.options, report)).error == (is_auto ? 0 : -ETXTBSY));
    CHECK(report.kind == (is_auto ? "" : "open-failed"));
    if (is_auto) {
      ReopenRequest request;
      request.options = file.options;
      request.wants_write = true;
      CHECK(file.run(driver->reopen_prepare(request, report)).error == -ETXTBSY);
      CHECK(driver->check_permissions(CR | W, kPermAll, report) == -EACCES);
      CHECK(driver->check_permissions(CR, kPermAll, report) == 0);
    }
    CHECK(file.run(node.close()).ok());
  }
}

TEST_CASE("REOP-19: another reader of the locks never finds them free") {
  AutoFile file;
  REQUIRE(file.hold(CR, kPermAll & ~W) == 0);
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::atomic<int> found_free{0};
  std::thread observer([&] {
    const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    while (!stop.load()) {
      for (int byte : {100, 201}) {
        struct flock lock{};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = byte;
        lock.l_len = 1;
        const bool answered = ::fcntl(fd, F_OFD_GETLK, &lock) == 0;
        found_free += !answered || lock.l_type == F_UNLCK;
        ++asked;
      }
    }
    ::close(fd);
  });
  CHECK(eventually([&] { return asked.load() > 0; }));
  int failed = 0;
  for (int i = 0; i < 2000; ++i) {
    failed += file.reopen(i % 2 == 0) != 0;
  }
  stop = true;
  observer.join();
  CHECK(failed == 0);
  CHECK(asked.load() > 100);
  CHECK(found_free.load() == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY});
}

TEST_CASE("REOP-19: a reopen that is aborted leaves the descriptor and its locks alone") {
  AutoFile file;
  REQUIRE(file.hold(CR, kPermAll & ~W) == 0);
  REQUIRE(file.prepare(true) == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY, O_RDWR});
  file.driver->reopen_abort();
  while (file.context.turn()) {
  }
  CHECK(file.access_modes() == Modes{O_RDONLY});
  blk::drivers::FileLocks other;
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  other.open(fd, blk::drivers::LockKind::kOpenFile, file.path);
  CHECK(other.check(W, kPermAll, file.report) == -EAGAIN);
  CHECK(other.check(CR, kPermAll & ~CR, file.report) == -EAGAIN);
  ::close(fd);
}

TEST_CASE("REOP-19: the file that is open is reopened, whatever its name leads to by now") {
  AutoFile file;
  const std::string moved = file.path + ".moved";
  REQUIRE(std::rename(file.path.c_str(), moved.c_str()) == 0);
  CHECK(file.reopen(true) == 0);
  CHECK(file.access_modes() == Modes{O_RDWR});
  REQUIRE(::unlink(moved.c_str()) == 0);
  CHECK(file.reopen(false) == 0);
  CHECK(file.access_modes() == Modes{O_RDONLY});
  CHECK(file.read() == 0);
}

TEST_CASE("LOCK-13: the driver turns a failed unlock into a warning") {
  FakeLocks kernel;
  OpenFile file("threads", false, "auto", false, kernel);
  ErrorReport report;
  REQUIRE(file.driver->check_permissions(CR, kPermAll, report) == 0);
  file.driver->set_permissions();
  CHECK(file.warnings.empty());
  for (int fd = 0; fd < 64; ++fd) {
    kernel.failures["unlock " + std::to_string(fd) + " 100"] = -EIO;
  }
  REQUIRE(file.driver->check_permissions(0, kPermAll, report) == 0);
  file.driver->set_permissions();
  CHECK(file.warnings == std::vector<Warning>{Warning::kUnlockFailed});
}

TEST_CASE("LOCK-10: the driver warns when it has to make do with POSIX locks") {
  FakeLocks kernel;
  kernel.has_open_file_locks = false;
  OpenFile file("threads", false, "auto", false, kernel);
  CHECK(file.warnings.empty());
  file.options.set("locking", std::string("on"));
  NodeOptions names;
  names.id = 2;
  Node node(file.context, names, std::make_unique<blk::drivers::FileDriver>(kernel), file);
  ErrorReport report;
  REQUIRE(file.run(node.open(file.options, report)).ok());
  CHECK(file.warnings == std::vector<Warning>{Warning::kProcessLocks});
  CHECK(file.run(node.close()).ok());
}

TEST_CASE("INACT-13: taking over flushes, unless the page cache is bypassed or may be kept") {
  AutoFile file(false);
  CHECK(file.run(file.driver->invalidate()).ok());
  CHECK(file.take_calls() == Calls{"fdatasync 0+0"});
  file.engine->answers = {-EIO};
  CHECK(file.run(file.driver->invalidate()).error == -EIO);
  file.take_calls();
  // REOP-18: drop-cache can be changed.
  file.options.set("drop-cache", false);
  CHECK(file.reopen(false) == 0);
  CHECK(file.run(file.driver->invalidate()).ok());
  CHECK(file.take_calls().empty());
  OpenFile direct("threads", true);
  direct.take_calls();
  CHECK(direct.run(direct.driver->invalidate()).ok());
  CHECK(direct.take_calls().empty());
}

TEST_CASE("REOP-18: x-check-cache-dropped finds what stays in the page cache") {
  AutoFile file(false);
  file.options.set("x-check-cache-dropped", true);
  REQUIRE(file.reopen(false) == 0);
  const int fd = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC);
  const std::string data(65536, 'x');
  REQUIRE(::pwrite(fd, data.data(), data.size(), 0) == 65536);
  // The engine only pretends to flush, and dirty pages are not dropped.
  CHECK(file.run(file.driver->invalidate()).error == -EBUSY);
  REQUIRE(::fdatasync(fd) == 0);
  struct statfs place{};
  REQUIRE(::fstatfs(fd, &place) == 0);
  const bool lives_in_cache = place.f_type == TMPFS_MAGIC;
  CHECK(file.run(file.driver->invalidate()).error == (lives_in_cache ? -EBUSY : 0));
  ::close(fd);
}
