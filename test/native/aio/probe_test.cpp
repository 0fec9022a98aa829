#include "aio/probe.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "aio/host-features.hpp"
#include "child-process.hpp"

using namespace blk::aio;
using blk::test::forbid;
using blk::test::in_child;
using blk::test::run_in_child;

namespace {

constexpr const char* kEperm = "aio/probe child: EPERM";
constexpr const char* kEnosys = "aio/probe child: ENOSYS";
constexpr const char* kEnomem = "aio/probe child: ENOMEM";
constexpr const char* kEinval = "aio/probe child: EINVAL";
constexpr const char* kLater = "aio/probe child: forbidden later";

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

std::int64_t seven(void*) { return 7; }

void check_works(Engine& engine) {
  IoOp op;
  op.call = seven;
  engine.enqueue(&op);
  IntrusiveList<IoOp> done;
  while (done.empty()) {
    engine.wait(kNever);
    engine.reap(done);
  }
  CHECK(done.pop_front()->result == 7);
  engine.cancel_all();
  CHECK(engine.stop(MonotonicClock().now() + 10'000'000'000));
}

// What every refusal has in common: kAuto gives a working threads engine and says why, kIoUring
// fails with the errno.
void check_fall_back(int error, const char* reason) {
  for (RingHome home : {RingHome::kPolled, RingHome::kOwnThread}) {
    EngineReport report;
    int failure = -1;
    auto engine = make_engine(EngineChoice::kAuto, home, report, failure);
    REQUIRE(engine != nullptr);
    CHECK(failure == 0);
    CHECK(std::string(engine->name()) == "threads");
    CHECK(report.engine == "threads");
    CHECK(report.error == -error);
    CHECK(report.flags == 0);
    CHECK_MESSAGE(contains(report.reason, reason), report.reason);
    check_works(*engine);

    auto none = make_engine(EngineChoice::kIoUring, home, report, failure);
    CHECK(none == nullptr);
    CHECK(failure == -error);
    CHECK(report.error == -error);
    CHECK_MESSAGE(contains(report.reason, reason), report.reason);
  }
}

void check_forbidden(int error, const char* reason) {
  REQUIRE(forbid(SYS_io_uring_setup, error));
  CHECK(probe_io_uring().error == -error);
  CHECK(probe_io_uring().engine == "threads");
  check_fall_back(error, reason);
  CHECK(contains(host_features().io_uring.reason, reason));
}

}  // namespace

TEST_CASE("PLUG-9: a host that forbids io_uring gets the threads engine and the reason") {
  CHECK(run_in_child(kEperm) == 0);
  CHECK(run_in_child(kEnosys) == 0);
  CHECK(run_in_child(kEnomem) == 0);
  CHECK(run_in_child(kEinval) == 0);
}

TEST_CASE("PLUG-9: a ring that fails although the probe succeeded falls back as well") {
  if (probe_io_uring().error != 0) {
    MESSAGE("skipped: " << probe_io_uring().reason);
    return;
  }
  CHECK(run_in_child(kLater) == 0);
}

TEST_CASE(kEperm* doctest::skip()) {
  if (in_child()) {
    check_forbidden(EPERM, "(EPERM)");
  }
}

TEST_CASE(kEnosys* doctest::skip()) {
  if (in_child()) {
    check_forbidden(ENOSYS, "seccomp");
  }
}

TEST_CASE(kEnomem* doctest::skip()) {
  if (in_child()) {
    check_forbidden(ENOMEM, "ulimit -l");
  }
}

// Every flag is given up in turn, and then the kernel is believed.
TEST_CASE(kEinval* doctest::skip()) {
  if (in_child()) {
    check_forbidden(EINVAL, "refuses");
  }
}

TEST_CASE(kLater* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  REQUIRE(probe_io_uring().error == 0);
  REQUIRE(forbid(SYS_io_uring_setup, ENOMEM));
  CHECK(probe_io_uring().error == 0);
  check_fall_back(ENOMEM, "ulimit -l");
}

TEST_CASE("aio/probe: one answer for the process, whoever asks first") {
  std::vector<const EngineReport*> answers(8);
  std::vector<std::thread> threads;
  for (auto& answer : answers) {
    threads.emplace_back([&answer] { answer = &probe_io_uring(); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto* answer : answers) {
    CHECK(answer == answers.front());
  }
  CHECK(!answers.front()->reason.empty());
}

TEST_CASE("aio/probe: threads can be asked for where io_uring works") {
  EngineReport report;
  int error = -1;
  auto engine = make_engine(EngineChoice::kThreads, RingHome::kPolled, report, error);
  REQUIRE(engine != nullptr);
  CHECK(error == 0);
  CHECK(report.engine == "threads");
  CHECK(report.error == 0);
  CHECK(std::string(engine->name()) == "threads");
  check_works(*engine);
}

TEST_CASE("aio/probe: automatic means io_uring where it works, and reports its flags") {
  if (probe_io_uring().error != 0) {
    MESSAGE("skipped: " << probe_io_uring().reason);
    return;
  }
  for (EngineChoice choice : {EngineChoice::kAuto, EngineChoice::kIoUring}) {
    for (RingHome home : {RingHome::kPolled, RingHome::kOwnThread}) {
      EngineReport report;
      int error = -1;
      auto engine = make_engine(choice, home, report, error);
      REQUIRE(engine != nullptr);
      CHECK(error == 0);
      CHECK(report.engine == "io_uring");
      CHECK(report.error == 0);
      CHECK(!report.reason.empty());
      CHECK(std::string(engine->name()) == "io_uring");
      check_works(*engine);
    }
  }
}

TEST_CASE("aio/probe: host features name the running kernel") {
  utsname names{};
  REQUIRE(uname(&names) == 0);
  CHECK(host_features().kernel == names.release);
  CHECK(host_features().io_uring.engine == probe_io_uring().engine);
}
