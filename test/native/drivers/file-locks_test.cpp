// Image locks on a kernel that records what it is asked.
#include "drivers/file-locks.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "aio/support.hpp"
#include "block/scripted.hpp"
#include "drivers/fake-locks.hpp"

namespace {

using namespace blk::drivers;
using blk::aio::File;
using blk::aio::UniqueFd;
using namespace blk::test;
using blk::block::ErrorReport;
using blk::block::kPermAll;
using blk::block::Permissions;

constexpr Permissions CR = 1;
constexpr Permissions W = 2;
constexpr Permissions WU = 4;
constexpr Permissions RZ = 8;

struct User {
  FileLocks locks;
  ErrorReport report;

  User(const FakeLocks& kernel, int fd, LockKind kind = LockKind::kOpenFile) : locks(kernel) {
    locks.open(fd, kind, "disk.img");
  }
  int check(Permissions permissions, Permissions shared) {
    report = {};
    return locks.check(permissions, shared, report);
  }
  int hold(Permissions permissions, Permissions shared) {
    const int error = check(permissions, shared);
    return error != 0 ? error : locks.commit();
  }
};

std::vector<int> bytes_of(Permissions permissions, Permissions shared) {
  std::vector<int> bytes;
  for (int bit = 0; bit < 4; ++bit) {
    if ((permissions & (1U << bit)) != 0) {
      bytes.push_back(100 + bit);
    }
  }
  for (int bit = 0; bit < 4; ++bit) {
    if ((shared & (1U << bit)) == 0) {
      bytes.push_back(200 + bit);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("LOCK-3: for every two users the verdict is that of the permission rule") {
  int wrong = 0;
  for (Permissions all = 0; all < 1U << 16; ++all) {
    const Permissions p1 = all & 15;
    const Permissions s1 = all >> 4 & 15;
    const Permissions p2 = all >> 8 & 15;
    const Permissions s2 = all >> 12 & 15;
    const FakeLocks kernel;
    User first(kernel, 3);
    User second(kernel, 4);
    wrong += first.hold(p1, s1) != 0;
    const bool conflict = (p1 & ~s2) != 0 || (p2 & ~s1) != 0;
    wrong += second.hold(p2, s2) != (conflict ? -EAGAIN : 0);
    wrong += kernel.held_by(3) != bytes_of(p1, s1);
    wrong += kernel.held_by(4) != (conflict ? std::vector<int>() : bytes_of(p2, s2));
  }
  CHECK(wrong == 0);
}

TEST_CASE("LOCK-3: old and new bytes are all locked before the first question") {
  FakeLocks kernel;
  User user(kernel, 3);
  REQUIRE(user.hold(CR | W, kPermAll) == 0);
  kernel.take_calls();
  REQUIRE(user.check(CR | RZ, CR) == 0);
  CHECK(kernel.take_calls() == Calls{"lock 3 103", "lock 3 201", "lock 3 202", "lock 3 203",
                                     "ask 3 200", "ask 3 203", "ask 3 101", "ask 3 102",
                                     "ask 3 103"});
  CHECK(kernel.held_by(3) == std::vector<int>{100, 101, 103, 201, 202, 203});
  CHECK(user.locks.commit() == 0);
  CHECK(kernel.take_calls() == Calls{"unlock 3 101"});
}

TEST_CASE("LOCK-3: of users that want the same at the same time never two get it") {
  const File file = temp_file("x");
  const std::string path = "/proc/self/fd/" + std::to_string(file.fd.get());
  std::atomic<int> holders{0};
  std::atomic<int> together{0};
  std::atomic<int> successes{0};
  const auto compete = [&] {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    FileLocks locks;
    locks.open(fd.get(), LockKind::kOpenFile, path);
    ErrorReport report;
    for (int i = 0; i < 20000; ++i) {
      if (locks.check(W, kPermAll & ~W, report) != 0) {
        continue;
      }
      locks.commit();
      together += ++holders > 1;
      ++successes;
      --holders;
      locks.check(0, kPermAll, report);
      locks.commit();
    }
  };
  std::thread first(compete);
  std::thread second(compete);
  first.join();
  second.join();
  CHECK(together.load() == 0);
  CHECK(successes.load() > 0);
}

TEST_CASE("LOCK-4: loosening locks and asks nothing") {
  FakeLocks kernel;
  User user(kernel, 3);
  REQUIRE(user.hold(CR | W, CR) == 0);
  // Nobody asks for leave, so this is a conflict that only a question would find.
  const FakeLocks& rude = kernel;
  struct flock lock{};
  lock.l_type = F_RDLCK;
  lock.l_start = 200;
  REQUIRE(rude.control(9, F_OFD_SETLK, lock) == 0);
  kernel.take_calls();
  CHECK(user.hold(CR, CR) == 0);
  CHECK(user.hold(CR, CR | W) == 0);
  CHECK(user.hold(0, kPermAll) == 0);
  CHECK(kernel.take_calls() ==
        Calls{"unlock 3 101", "unlock 3 201", "unlock 3 100", "unlock 3 202", "unlock 3 203"});
  CHECK(user.hold(CR, kPermAll) == -EAGAIN);
}

TEST_CASE("LOCK-8: an error says which lock could not be had") {
  const std::vector<std::pair<Permissions, const char*>> names{
      {CR, "consistent read"}, {W, "write"}, {WU, "write unchanged"}, {RZ, "resize"}};
  for (const auto& [bit, name] : names) {
    CAPTURE(name);
    const FakeLocks kernel;
    User first(kernel, 3);
    User second(kernel, 4);
    REQUIRE(first.hold(bit, kPermAll & ~bit) == 0);
    CHECK(second.check(bit, kPermAll) == -EAGAIN);
    CHECK(second.report.error == -EAGAIN);
    CHECK(second.report.kind == "lock-not-held");
    CHECK(second.report.arguments.at(1).second == name);
    CHECK(second.check(0, kPermAll & ~bit) == -EAGAIN);
    CHECK(second.report.kind == "lock-not-shared");
    CHECK(second.report.arguments.at(0).second == "disk.img");
    CHECK(second.report.arguments.at(1).second == name);
  }
}

TEST_CASE("LOCK-8: a byte that somebody has locked for writing is a conflict, too") {
  for (int code : {-EAGAIN, -EACCES}) {
    FakeLocks kernel;
    kernel.failures["lock 3 101"] = code;
    User user(kernel, 3);
    CHECK(user.hold(CR | W, CR) == -EAGAIN);
    CHECK(user.report.kind == "lock-not-held");
    CHECK(kernel.held_by(3).empty());
  }
  FakeLocks kernel;
  kernel.failures["lock 3 201"] = -ENOLCK;
  User user(kernel, 3);
  CHECK(user.hold(CR | W, CR) == -ENOLCK);
  CHECK(user.report.kind == "lock-failed");
  CHECK(user.report.arguments.at(1).second == "201");
  CHECK(kernel.held_by(3).empty());
}

TEST_CASE("LOCK-10: locking=on, auto and off, with and without such locks in the kernel") {
  FakeLocks kernel;
  CHECK(choose_locks(kernel, 3, "on") == LockKind::kOpenFile);
  CHECK(choose_locks(kernel, 3, "auto") == LockKind::kOpenFile);
  CHECK(choose_locks(kernel, 3, "off") == LockKind::kNone);
  kernel.has_open_file_locks = false;
  CHECK(choose_locks(kernel, 3, "on") == LockKind::kProcess);
  CHECK(choose_locks(kernel, 3, "auto") == LockKind::kNone);
  CHECK(choose_locks(kernel, 3, "off") == LockKind::kNone);
  kernel.take_calls();
  User posix(kernel, 3, LockKind::kProcess);
  CHECK(posix.hold(CR | W, kPermAll) == 0);
  CHECK(kernel.held_by(3) == std::vector<int>{100, 101});
  kernel.take_calls();
  User none(kernel, 4, LockKind::kNone);
  CHECK(none.hold(kPermAll, 0) == 0);
  CHECK(none.hold(0, kPermAll) == 0);
  CHECK(kernel.take_calls().empty());
}

TEST_CASE("LOCK-13: a failed unlock is reported, keeps no other byte, and is tried again") {
  FakeLocks kernel;
  User user(kernel, 3);
  REQUIRE(user.hold(CR | W | RZ, CR) == 0);
  kernel.failures["unlock 3 101"] = -EIO;
  CHECK(user.check(0, kPermAll) == 0);
  CHECK(user.locks.commit() == -EIO);
  CHECK(kernel.held_by(3) == std::vector<int>{101});
  kernel.failures.clear();
  CHECK(user.hold(CR, kPermAll) == 0);
  CHECK(kernel.held_by(3) == std::vector<int>{100});
}

TEST_CASE("LOCK-14: a node that is asked for nothing makes no call") {
  FakeLocks kernel;
  User user(kernel, 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(user.hold(0, kPermAll) == 0);
    CHECK(user.check(0, kPermAll) == 0);
    CHECK(user.locks.abort() == 0);
  }
  user.locks.release_all();
  CHECK(kernel.take_calls().empty());
  REQUIRE(user.hold(CR | W, CR) == 0);
  kernel.take_calls();
  CHECK(user.hold(CR | W, CR) == 0);
  CHECK(kernel.take_calls().empty());
}

TEST_CASE("LOCK-16: a check that fails, or is aborted, leaves the locks as they were") {
  const FakeLocks kernel;
  User other(kernel, 4);
  User user(kernel, 3);
  REQUIRE(other.hold(WU, kPermAll & ~W) == 0);
  REQUIRE(user.hold(CR, kPermAll & ~RZ) == 0);
  const std::vector<int> before{100, 203};
  REQUIRE(kernel.held_by(3) == before);
  CHECK(user.check(CR | W, kPermAll) == -EAGAIN);
  CHECK(kernel.held_by(3) == before);
  CHECK(user.check(CR, kPermAll & ~WU) == -EAGAIN);
  CHECK(kernel.held_by(3) == before);
  CHECK(user.check(CR | RZ, CR | WU) == 0);
  CHECK(kernel.held_by(3) == std::vector<int>{100, 103, 201, 203});
  CHECK(user.locks.abort() == 0);
  CHECK(kernel.held_by(3) == before);
  // What was aborted is forgotten: a commit that follows changes nothing.
  CHECK(user.locks.commit() == 0);
  CHECK(kernel.held_by(3) == before);
}

TEST_CASE("REOP-19: locks move to a descriptor before the old one gives them up") {
  FakeLocks kernel;
  User user(kernel, 3);
  REQUIRE(user.hold(CR | W, kPermAll & ~W) == 0);
  REQUIRE(user.check(CR | RZ, kPermAll & ~W) == 0);
  kernel.take_calls();
  CHECK(user.locks.move_to(5) == 0);
  CHECK(kernel.take_calls() == Calls{"lock 5 100", "lock 5 101", "lock 5 103", "lock 5 201",
                                     "unlock 3 100", "unlock 3 101", "unlock 3 103",
                                     "unlock 3 201"});
  CHECK(kernel.held_by(3).empty());
  CHECK(user.locks.abort() == 0);
  CHECK(kernel.held_by(5) == std::vector<int>{100, 101, 201});
}
