#include "aio/on-the-spot.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "aio/context.hpp"
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

/// A byte that a peer has not sent yet.
struct Receive {
  File socket;
  UniqueFd peer;
  char byte = 0;
  iovec iov{&byte, 1};
  IoOp op;

  Receive() {
    int ends[2] = {};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    socket.fd.reset(ends[0]);
    peer.reset(ends[1]);
    op.opcode = IoOpcode::kReceive;
    op.file = &socket;
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

/// An engine, and what comes of operations on it. False where there is no io_uring; it says so.
class Trial {
 public:
  Trial() {
    int error = 0;
    engine = UringEngine::create(RingHome::kPolled, error);
    if (engine == nullptr) {
      MESSAGE("skipped: there is no io_uring");
    }
  }
  ~Trial() {
    if (engine != nullptr) {
      engine->cancel_all();
      CHECK(engine->stop(MonotonicClock().now() + 5'000'000'000));
    }
  }
  explicit operator bool() const { return engine != nullptr; }

  std::unique_ptr<UringEngine> engine;

  /// How many of these were done at once; afterwards all are done, with 8 bytes each.
  std::uint64_t at_once(IoOp& first, IoOp* second = nullptr) {
    const auto before = engine->counters().done_at_once;
    engine->enqueue(&first);
    if (second != nullptr) {
      engine->enqueue(second);
    }
    if (IoOp* op = engine->try_now()) {
      done_.push_back(op);
    }
    const auto count = engine->counters().done_at_once - before;
    engine->submit();
    while (engine->in_flight() > engine->sockets_in_flight()) {
      engine->reap(done_);
    }
    while (IoOp* op = done_.pop_front()) {
      CHECK(op->result == 8);
    }
    return count;
  }

 private:
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
  Trial trial;
  if (!trial) {
    return;
  }
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
  Trial trial;
  if (!trial) {
    return;
  }
  Cached one;
  Cached two;
  one.op.opcode = IoOpcode::kWrite;
  one.file.ring_writes = RingWrites::kPunted;
  CHECK(trial.at_once(one.op) == 0);
  trial.engine->write_in_place();
  CHECK(trial.at_once(one.op) == 1);
  CHECK(trial.at_once(one.op, &two.op) == 0);
  one.file.ring_writes = RingWrites::kAsync;  // the ring does it without waiting
  CHECK(trial.at_once(one.op) == 0);
  one.file.ring_writes = RingWrites::kPunted;

  Receive receive;
  CHECK(trial.at_once(one.op, &receive.op) == 1);
  CHECK(trial.at_once(one.op) == 1);  // the socket still waits
  receive.peer.reset();
  IntrusiveList<IoOp> done;
  while (trial.engine->in_flight() > 0) {
    trial.engine->reap(done);
  }
  CHECK(receive.op.result == 0);
}

namespace {

/// Whose end enqueues a read.
struct Asked : Receive {
  AioContext* context = nullptr;
  Cached* read = nullptr;
  Runnable* also = nullptr;

  void start(AioContext& at) {
    context = &at;
    op.argument = this;
    op.done = [](IoOp* done) {
      auto* self = static_cast<Asked*>(done->argument);
      self->context->engine().enqueue(&self->read->op);
      if (self->also != nullptr) {
        self->context->schedule(self->also);
      }
    };
    read->op.done = [](IoOp*) {};
    at.engine().enqueue(&op);
    at.turn(1);
    REQUIRE(::send(peer.get(), "!", 1, 0) == 1);
  }
};

}  // namespace

TEST_CASE(
    "aio/on-the-spot: a turn does so with what its last round enqueued, after what is ready") {
  Trial trial;
  if (!trial) {
    return;
  }
  const MonotonicClock clock;
  AioContext context(std::move(trial.engine), clock);
  const EngineCounters& counters = context.engine().counters();
  Cached read;
  {
    Asked asked;
    asked.read = &read;
    asked.start(context);
    while (context.turn(1) && counters.done_at_once == 0 && counters.submitted[0] == 0) {
    }
    CHECK(counters.done_at_once == 1);
  }
  {
    struct Ready : Runnable {
      const Engine& engine;
      bool came_first = false;
      explicit Ready(const Engine& of)
          : Runnable([](Runnable* self) {
              auto* ready = static_cast<Ready*>(self);
              ready->came_first = ready->engine.has_unsubmitted();
            }),
            engine(of) {}
    } ready(context.engine());
    Asked asked;
    asked.read = &read;
    asked.also = &ready;
    asked.start(context);
    while (context.turn(1)) {
    }
    CHECK(ready.came_first);
    CHECK(counters.done_at_once == 2);
  }
  context.close();
  CHECK(context.engine().stop(clock.now() + 5'000'000'000));
}
