#include "aio/on-the-spot.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "aio/uring-engine.hpp"

using namespace blk::aio;

namespace {

/// Eight bytes in the page cache. On the working directory's file system: a tmpfs refuses the flag.
struct Cached {
  File file;
  std::string data = std::string(8, '?');
  iovec iov{data.data(), data.size()};
  IoOp op;

  Cached() {
    std::string path = "on-the-spot-test-XXXXXX";
    file.fd.reset(::mkstemp(path.data()));
    REQUIRE(file.fd);
    ::unlink(path.c_str());
    REQUIRE(::pwrite(file.fd.get(), "abcdefgh", 8, 0) == 8);
    op.opcode = IoOpcode::kRead;
    op.file = &file;
    op.iov = &iov;
    op.iovcnt = 1;
  }
};

/// A step later each time it is read.
struct SteppingClock final : Clock {
  Nanoseconds step = 0;
  mutable Nanoseconds time = 0;
  Nanoseconds now() const override { return time += step; }
};

/// Null where there is no io_uring; it says so.
std::unique_ptr<UringEngine> ring_engine() {
  int error = 0;
  auto engine = UringEngine::create(RingHome::kPolled, error);
  if (engine == nullptr) {
    MESSAGE("skipped: there is no io_uring");
  }
  return engine;
}

/// An engine, and what comes of operations on it.
class Trial {
 public:
  explicit Trial(UringEngine& engine) : engine_(engine) {}
  ~Trial() {
    engine_.cancel_all();
    CHECK(engine_.stop(MonotonicClock().now() + 5'000'000'000));
  }

  /// How many of these were done at once; afterwards all are done, with 8 bytes each.
  std::uint64_t at_once(IoOp& first, IoOp* second = nullptr) {
    const auto before = engine_.counters().done_at_once;
    engine_.enqueue(&first);
    if (second != nullptr) {
      engine_.enqueue(second);
    }
    if (IoOp* op = engine_.try_now()) {
      done_.push_back(op);
    }
    const auto count = engine_.counters().done_at_once - before;
    engine_.submit();
    while (engine_.in_flight() > engine_.sockets_in_flight()) {
      engine_.reap(done_);
    }
    while (IoOp* op = done_.pop_front()) {
      CHECK(op->result == 8);
    }
    return count;
  }

 private:
  UringEngine& engine_;
  IntrusiveList<IoOp> done_;
};

}  // namespace

TEST_CASE("aio/on-the-spot: what is cached is read on the spot, short at the end of the file") {
  Cached cached;
  REQUIRE(read_now(cached.op));
  CHECK(cached.op.result == 8);
  CHECK(cached.data == "abcdefgh");
  cached.op.offset = 6;
  REQUIRE(read_now(cached.op));
  CHECK(cached.op.result == 2);
}

TEST_CASE("aio/on-the-spot: after a failure fifteen go the usual way, then one is tried again") {
  Cached cached;
  const int fd = cached.file.fd.release();
  CHECK_FALSE(read_now(cached.op));  // EBADF, as any error
  cached.file.fd.reset(fd);
  for (int i = 0; i < 15; ++i) {
    CHECK_FALSE(read_now(cached.op));
  }
  CHECK(read_now(cached.op));
}

TEST_CASE("aio/on-the-spot: after a write that took more than 1 ms fifteen are handed over") {
  Cached cached;
  cached.op.opcode = IoOpcode::kWrite;
  cached.data = "ABCDEFGH";
  SteppingClock clock;
  clock.step = 1'000'000;
  CHECK(write_now(cached.op, clock));
  clock.step = 1'000'001;
  CHECK(write_now(cached.op, clock));
  CHECK(cached.op.result == 8);
  for (int i = 0; i < 15; ++i) {
    CHECK_FALSE(write_now(cached.op, clock));
  }
  CHECK(write_now(cached.op, clock));
  char found[8] = {};
  REQUIRE(::pread(cached.file.fd.get(), found, 8, 0) == 8);
  CHECK(std::string(found, 8) == cached.data);
}

TEST_CASE("aio/on-the-spot: an engine tries one read alone, and no other operation") {
  const auto engine = ring_engine();
  if (engine == nullptr) {
    return;
  }
  Trial trial(*engine);
  Cached one;
  Cached two;
  CHECK(trial.at_once(one.op) == 1);
  CHECK(trial.at_once(one.op, &two.op) == 0);
  one.file.workers_only = true;
  CHECK(trial.at_once(one.op) == 0);
  one.file.workers_only = false;
  one.file.direct = true;
  one.op.opcode = IoOpcode::kWrite;
  CHECK(trial.at_once(one.op) == 0);
}

TEST_CASE(
    "aio/on-the-spot: a write only where that was asked for, and beside nothing but a socket") {
  const auto engine = ring_engine();
  if (engine == nullptr) {
    return;
  }
  Trial trial(*engine);
  Cached one;
  Cached two;
  one.op.opcode = IoOpcode::kWrite;
  one.file.ring_writes = RingWrites::kPunted;
  CHECK(trial.at_once(one.op) == 0);
  engine->write_in_place();
  CHECK(trial.at_once(one.op) == 1);
  CHECK(trial.at_once(one.op, &two.op) == 0);
  one.file.ring_writes = RingWrites::kAsync;  // the ring does it without waiting
  CHECK(trial.at_once(one.op) == 0);
  one.file.ring_writes = RingWrites::kPunted;

  int ends[2] = {};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  File socket;
  socket.fd.reset(ends[0]);
  UniqueFd peer(ends[1]);
  char byte = 0;
  iovec room{&byte, 1};
  IoOp receive;
  receive.opcode = IoOpcode::kReceive;
  receive.file = &socket;
  receive.iov = &room;
  receive.iovcnt = 1;
  CHECK(trial.at_once(one.op, &receive) == 1);
  CHECK(trial.at_once(one.op) == 1);  // the socket still waits
  peer.reset();
  IntrusiveList<IoOp> done;
  while (engine->in_flight() > 0) {
    engine->reap(done);
  }
  CHECK(receive.result == 0);
}
