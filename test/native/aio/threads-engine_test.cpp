#include "aio/threads-engine.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aio/context.hpp"
#include "aio/task.hpp"
#include "support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;

std::unique_ptr<ThreadsEngine> make() {
  int error = 1;
  auto engine = ThreadsEngine::create(error);
  REQUIRE(engine != nullptr);
  CHECK(error == 0);
  return engine;
}

bool reap(Engine& engine, IntrusiveList<IoOp>& done, std::size_t count) {
  const Nanoseconds deadline = now() + 20 * kSecond;
  for (engine.reap(done); done.size() < count && now() < deadline; engine.reap(done)) {
    engine.wait(deadline);
  }
  return done.size() >= count;
}

struct Transcript {
  std::int64_t written = 0;
  std::int64_t synced = -1;
  std::int64_t read = 0;
  std::int64_t called = 0;
  std::string bytes = std::string(16, '-');
  bool finished = false;
};

Detached round_trip(Engine& engine, File& file, Transcript* out) {
  std::string text = "0123456789";
  const iovec parts[] = {{text.data(), 4}, {text.data() + 4, 6}};
  out->written = co_await IoAwaiter(engine, IoOpcode::kWrite, file, parts, 2, 100, nullptr);
  out->synced = co_await IoAwaiter(engine, IoOpcode::kFdatasync, file);
  const iovec whole{out->bytes.data(), out->bytes.size()};
  out->read = co_await IoAwaiter(engine, IoOpcode::kRead, file, &whole, 1, 98, nullptr);
  auto function = [](void* value) -> std::int64_t { return ++*static_cast<std::int64_t*>(value); };
  out->called = co_await IoAwaiter(engine, function, &out->written);
  out->finished = true;
}

}  // namespace

TEST_CASE("aio/threads-engine: writes, syncs, reads and calls; the end of a file reads short") {
  MonotonicClock clock;
  AioContext context(make(), clock);
  Engine& engine = context.engine();
  File file = temp_file();
  Transcript transcript;
  round_trip(engine, file, &transcript);
  while (!transcript.finished) {
    if (!context.turn() && !transcript.finished) {
      engine.wait(now() + 20 * kSecond);
    }
  }
  CHECK(transcript.written == 11);  // the call added one
  CHECK(transcript.called == 11);
  CHECK(transcript.synced == 0);
  CHECK(transcript.read == 12);
  CHECK(transcript.bytes == std::string("\0\0", 2) + "0123456789----");
  CHECK(engine.in_flight() == 0);
  const EngineCounters& counters = engine.counters();
  CHECK(counters.submitted == std::array<std::uint64_t, kIoOpcodes>{1, 1, 1, 1});
  CHECK(counters.worker_submissions == 4);
  CHECK(counters.ring_submissions == 0);
  CHECK(std::string(engine.name()) == "threads");
}

TEST_CASE("aio/threads-engine: enqueued operations start with submit and stay in flight to reap") {
  const auto engine = make();
  Gate gate;
  gate.open = true;
  std::vector<IoOp> ops(100, call_op(Gate::pass, &gate));
  for (IoOp& op : ops) {
    engine->enqueue(&op);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(gate.entered.load() == 0);
  CHECK(engine->in_flight() == 100);
  CHECK(engine->counters().worker_submissions == 0);
  engine->submit();
  CHECK(eventually([&] { return gate.entered.load() == 100; }));
  CHECK(engine->in_flight() == 100);
  IntrusiveList<IoOp> done;
  CHECK(reap(*engine, done, 100));
  CHECK(engine->in_flight() == 0);
  CHECK(engine->counters().worker_submissions == 100);
}

TEST_CASE("aio/threads-engine: the descriptor is readable from completion until it was reaped") {
  const auto engine = make();
  Gate gate;
  IoOp op = call_op(Gate::pass, &gate);
  CHECK_FALSE(readable(engine->poll_fd()));
  engine->enqueue(&op);
  engine->submit();
  CHECK_FALSE(readable(engine->poll_fd()));
  gate.open = true;
  CHECK(eventually([&] { return readable(engine->poll_fd()); }));
  engine->wait(kNever);  // looks without taking anything
  CHECK(readable(engine->poll_fd()));
  IntrusiveList<IoOp> done;
  CHECK(reap(*engine, done, 1));
  CHECK_FALSE(readable(engine->poll_fd()));
}

TEST_CASE("aio/threads-engine: wait ends at its deadline, and at once after a wake-up") {
  const auto engine = make();
  const Nanoseconds before = now();
  engine->wait(before + 20 * kMillisecond);
  CHECK(now() - before >= 20 * kMillisecond);
  engine->wait(before);  // long past
  engine->wake();
  engine->wait(kNever);
  CHECK(readable(engine->poll_fd()));
  IntrusiveList<IoOp> done;
  engine->reap(done);
  CHECK_FALSE(readable(engine->poll_fd()));
  std::thread waker([&] { engine->wake(); });
  engine->wait(kNever);
  waker.join();
}

TEST_CASE("aio/threads-engine: wait submits what was enqueued") {
  const auto engine = make();
  File file = temp_file("x");
  IoOp op = transfer_op(IoOpcode::kFdatasync, file, nullptr, 0, 0);
  engine->enqueue(&op);
  engine->wait(kNever);
  IntrusiveList<IoOp> done;
  CHECK(reap(*engine, done, 1));
  CHECK(op.result == 0);
}

TEST_CASE("aio/threads-engine: cancel_all refuses what has not started, now and later") {
  const auto engine = make();
  Gate gate;
  std::vector<IoOp> running(WorkerPool::kDefaultLimit, call_op(Gate::pass, &gate));
  std::vector<IoOp> waiting(10, call_op(Gate::pass, &gate));
  std::vector<IoOp> queued(10, call_op(Gate::pass, &gate));
  IoOp late = call_op(Gate::pass, &gate);
  for (IoOp& op : running) {
    engine->enqueue(&op);
  }
  for (IoOp& op : waiting) {
    engine->enqueue(&op);
  }
  engine->submit();
  const int limit = static_cast<int>(WorkerPool::kDefaultLimit);
  CHECK(eventually([&] { return gate.entered.load() == limit; }));
  for (IoOp& op : queued) {
    engine->enqueue(&op);
  }
  engine->cancel_all();
  engine->enqueue(&late);
  CHECK(engine->in_flight() == running.size() + 21);  // nothing finishes inside these calls
  CHECK(readable(engine->poll_fd()));
  IntrusiveList<IoOp> done;
  CHECK(reap(*engine, done, 21));
  CHECK(engine->in_flight() == WorkerPool::kDefaultLimit);
  while (const IoOp* op = done.pop_front()) {
    CHECK(op->result == -ECANCELED);
  }
  CHECK_FALSE(engine->stop(now() + 10 * kMillisecond));
  gate.open = true;
  CHECK(reap(*engine, done, WorkerPool::kDefaultLimit));
  CHECK(running[0].result == 7);
  CHECK(engine->stop(now() + 20 * kSecond));
  CHECK(gate.entered.load() == limit);
}
