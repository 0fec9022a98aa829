#include "aio/read-now.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
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
    std::string path = "read-now-test-XXXXXX";
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

}  // namespace

TEST_CASE("aio/read-now: what is cached is read on the spot, short at the end of the file") {
  Cached cached;
  REQUIRE(read_now(cached.op));
  CHECK(cached.op.result == 8);
  CHECK(cached.data == "abcdefgh");
  cached.op.offset = 6;
  REQUIRE(read_now(cached.op));
  CHECK(cached.op.result == 2);
}

TEST_CASE("aio/read-now: after a failure fifteen go the usual way, then one is tried again") {
  Cached cached;
  const int fd = cached.file.fd.release();
  CHECK_FALSE(read_now(cached.op));  // EBADF, as any error
  cached.file.fd.reset(fd);
  for (int i = 0; i < 15; ++i) {
    CHECK_FALSE(read_now(cached.op));
  }
  CHECK(read_now(cached.op));
}

TEST_CASE("aio/read-now: an engine tries one read alone, and no other operation") {
  int error = 0;
  const auto engine = UringEngine::create(RingHome::kPolled, error);
  if (engine == nullptr) {
    MESSAGE("skipped: there is no io_uring");
    return;
  }
  IntrusiveList<IoOp> done;
  const auto tried = [&](IoOp& first, IoOp* second = nullptr) {
    const auto before = engine->counters().done_at_once;
    engine->enqueue(&first);
    if (second != nullptr) {
      engine->enqueue(second);
    }
    if (IoOp* op = engine->try_now()) {
      done.push_back(op);
    }
    const auto count = engine->counters().done_at_once - before;
    engine->submit();
    while (engine->in_flight() > 0) {
      engine->reap(done);
    }
    while (IoOp* op = done.pop_front()) {
      CHECK(op->result == 8);
    }
    return count;
  };
  Cached one;
  Cached two;
  CHECK(tried(one.op) == 1);
  CHECK(tried(one.op, &two.op) == 0);
  one.file.workers_only = true;
  CHECK(tried(one.op) == 0);
  one.file.workers_only = false;
  one.file.direct = true;
  one.op.opcode = IoOpcode::kWrite;
  CHECK(tried(one.op) == 0);
  engine->cancel_all();
  CHECK(engine->stop(MonotonicClock().now() + 5'000'000'000));
}
