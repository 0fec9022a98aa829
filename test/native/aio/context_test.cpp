#include "aio/context.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aio/sim-engine.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "aio/threads-engine.hpp"
#include "support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;

/// Finishes at reap() whatever was submitted, and counts what the context does.
class FakeEngine final : public Engine {
 public:
  const char* name() const override { return "fake"; }
  void enqueue(IoOp* op) override {
    CHECK_FALSE(reaping);
    queued.push_back(op);
  }
  void submit() override {
    if (!queued.empty()) {
      batches.push_back(queued.size());
    }
    queued.splice_to(submitted);
  }
  bool has_unsubmitted() const override { return !queued.empty(); }
  void reap(IntrusiveList<IoOp>& done) override {
    reaping = true;
    submitted.splice_to(done);
    reaping = false;
  }
  void wait(Nanoseconds) override {}
  void wake() override { wakes.fetch_add(1); }
  int poll_fd() const override { return -1; }
  std::size_t in_flight() const override { return queued.size() + submitted.size(); }
  const EngineCounters& counters() const override { return no_counters; }
  void cancel_all() override {}
  bool stop(Nanoseconds) override { return true; }

  IntrusiveList<IoOp> queued;
  IntrusiveList<IoOp> submitted;
  std::atomic<int> wakes{0};
  bool reaping = false;
  std::vector<std::size_t> batches;
  EngineCounters no_counters;
};

struct Fixture {
  Fixture() {
    auto owned = std::make_unique<FakeEngine>();
    engine = owned.get();
    context = std::make_unique<AioContext>(std::move(owned), clock);
  }
  VirtualClock clock;
  FakeEngine* engine;
  std::unique_ptr<AioContext> context;
};

struct Job : Runnable {
  explicit Job(std::function<void()> function) : body(std::move(function)) {
    run = [](Runnable* self) { static_cast<Job*>(self)->body(); };
  }
  std::function<void()> body;
};

Detached operations(Engine& engine, int count, int* finished) {
  for (int i = 0; i < count; ++i) {
    co_await IoAwaiter(engine, nullptr, nullptr);
    ++*finished;
  }
}

Detached queue_up(WaitQueue& queue, int number, std::vector<int>* log) {
  co_await queue.wait();
  log->push_back(number);
}

Detached sleep(AioContext& context, Nanoseconds deadline, std::vector<Nanoseconds>* log) {
  co_await SleepUntil(context, deadline);
  log->push_back(context.batch_time());
}

Detached step_by_step(AioContext& context, int steps, int* done) {
  for (int i = 0; i < steps; ++i) {
    co_await Reschedule(context);
    ++*done;
  }
}

Detached sleep_then_write(AioContext& context, File& file, std::vector<Nanoseconds>* log) {
  std::string text = "text";
  const iovec iov{text.data(), text.size()};
  for (int i = 0; i < 3; ++i) {
    co_await SleepUntil(context, context.batch_time() + 50);
    co_await IoAwaiter(context.engine(), IoOpcode::kWrite, file, &iov, 1, 4 * i, nullptr);
    log->push_back(context.batch_time());
  }
}

}  // namespace

TEST_CASE("aio/context: what is posted runs in order, before what the turn schedules") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  std::vector<int> log;
  Job scheduled([&] { log.push_back(4); });
  Job first([&] {
    log.push_back(1);
    context.schedule(&scheduled);
  });
  Job second([&] { log.push_back(2); });
  Job third([&] { log.push_back(3); });
  context.post(&first);
  context.post(&second);
  context.post(&third);
  CHECK(context.has_ready());
  CHECK_FALSE(context.turn());
  CHECK(log == std::vector<int>{1, 2, 3, 4});
  CHECK_FALSE(context.has_ready());
}

TEST_CASE("aio/context: a post wakes the home when the inbox was empty") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  Job first([] {});
  Job second([] {});
  context.post(&first);
  context.post(&second);
  CHECK(fixture.engine->wakes == 1);
  context.turn();
  context.post(&first);
  CHECK(fixture.engine->wakes == 2);
  context.turn();
}

TEST_CASE("aio/context: schedule wakes the home outside a turn only") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  int runs = 0;
  Job inner([&] { ++runs; });
  Job outer([&] {
    ++runs;
    context.schedule(&inner);
  });
  context.schedule(&outer);
  CHECK(fixture.engine->wakes == 1);
  CHECK(context.has_ready());
  CHECK(runs == 0);
  CHECK_FALSE(context.turn());
  CHECK(runs == 2);
  CHECK(fixture.engine->wakes == 1);
}

TEST_CASE(
    "aio/context: a chain of operations advances eight a turn and is never left unsubmitted") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  int finished = 0;
  operations(*fixture.engine, 20, &finished);
  CHECK(fixture.engine->queued.size() == 1);
  CHECK(context.turn());
  CHECK(finished == 8);
  CHECK(fixture.engine->queued.empty());
  CHECK(fixture.engine->submitted.size() == 1);
  CHECK(context.turn());
  CHECK(finished == 16);
  CHECK(fixture.engine->queued.empty());
  CHECK_FALSE(context.turn());
  CHECK(finished == 20);
  CHECK(fixture.engine->in_flight() == 0);
}

TEST_CASE("aio/context: what reschedules itself for ever cannot monopolise the loop") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  int runs = 0;
  bool again = true;
  Job endless([&] {
    ++runs;
    if (again) {
      context.schedule(&endless);
    }
  });
  context.schedule(&endless);
  CHECK(context.turn());
  CHECK(runs == 8);
  CHECK(context.has_ready());
  again = false;
  CHECK_FALSE(context.turn());
  CHECK(runs == 9);
}

TEST_CASE("aio/context: Reschedule goes on from the ready queue") {
  Fixture fixture;
  int steps = 0;
  step_by_step(*fixture.context, 3, &steps);
  CHECK(steps == 0);
  CHECK_FALSE(fixture.context->turn());
  CHECK(steps == 3);
}

TEST_CASE("aio/context: timers fire when due, in the time of the batch") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  std::vector<Nanoseconds> log;
  sleep(context, 200, &log);
  sleep(context, 100, &log);
  CHECK(context.next_deadline() == 100);
  CHECK_FALSE(context.turn());
  CHECK(log.empty());
  fixture.clock.advance_to(150);
  CHECK(context.batch_time() == 0);
  CHECK_FALSE(context.turn());
  CHECK(log == std::vector<Nanoseconds>{150});
  CHECK(context.next_deadline() == 200);
  fixture.clock.advance_to(200);
  context.turn();
  CHECK(log == std::vector<Nanoseconds>{150, 200});
  CHECK(context.next_deadline() == kNever);
}

TEST_CASE("aio/context: a batch outside of turns has one time, read when somebody asks") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  fixture.clock.advance_to(100);
  CHECK(context.time_in_batch() == 0);
  context.begin_batch();
  fixture.clock.advance_to(150);
  CHECK(context.time_in_batch() == 150);
  fixture.clock.advance_to(170);
  CHECK(context.time_in_batch() == 150);
  CHECK(context.batch_time() == 150);
  context.turn();
  CHECK(context.time_in_batch() == 170);
}

TEST_CASE("aio/context: a virtual home runs timers and operations to the nanosecond") {
  VirtualClock clock;
  SimOptions options;
  options.min_latency = options.max_latency = 7;
  AioContext context(std::make_unique<SimEngine>(options, clock), clock);
  File file = temp_file();
  std::vector<Nanoseconds> log;
  sleep_then_write(context, file, &log);
  while (log.size() < 3) {
    if (!context.turn() && !context.has_ready()) {
      context.engine().wait(context.next_deadline());
    }
  }
  CHECK(log == std::vector<Nanoseconds>{57, 114, 171});
  CHECK(content_of(file) == "texttexttext");
}

TEST_CASE("aio/context: a turn inside a turn loses nothing") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  std::vector<int> log;
  Job first([&] {
    log.push_back(1);
    context.turn();
    log.push_back(3);
  });
  Job second([&] { log.push_back(2); });
  Job third([&] { log.push_back(4); });
  context.schedule(&first);
  context.schedule(&second);
  CHECK_FALSE(context.turn());
  CHECK(log == std::vector<int>{1, 2, 3});
  CHECK(fixture.engine->wakes == 1);
  context.schedule(&third);
  CHECK(fixture.engine->wakes == 2);
  context.turn();
  CHECK(log.back() == 4);
}

TEST_CASE("aio/context: a wait queue wakes in the order of waiting") {
  Fixture fixture;
  AioContext& context = *fixture.context;
  WaitQueue queue;
  std::vector<int> log;
  for (int i = 0; i < 5; ++i) {
    queue_up(queue, i, &log);
  }
  queue.wake_one(context);
  CHECK(log.empty());
  context.turn();
  CHECK(log == std::vector<int>{0});
  queue.wake_all(context);
  CHECK(queue.empty());
  queue_up(queue, 9, &log);
  context.turn();
  CHECK(log == std::vector<int>{0, 1, 2, 3, 4});
  queue.wake_one(context);
  queue.wake_one(context);  // nobody waits
  context.turn();
  CHECK(log.back() == 9);
}

TEST_CASE("aio/context: posts from four threads reach a home that sleeps in its engine") {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5'000;
  MonotonicClock clock;
  int error = 0;
  AioContext context(ThreadsEngine::create(error), clock);
  int runs = 0;
  std::vector<std::vector<std::unique_ptr<Job>>> jobs(kThreads);
  for (auto& own : jobs) {
    for (int i = 0; i < kPosts; ++i) {
      own.push_back(std::make_unique<Job>([&runs] { ++runs; }));
    }
  }
  std::vector<std::thread> threads;
  for (auto& own : jobs) {
    threads.emplace_back([&] {
      for (const auto& job : own) {
        context.post(job.get());
      }
    });
  }
  // A lost wake-up would show as a wait that only its deadline ends.
  bool overslept = false;
  while (runs < kThreads * kPosts && !overslept) {
    if (context.turn() || context.has_ready() || runs == kThreads * kPosts) {
      continue;
    }
    const Nanoseconds deadline = now() + 20 * kSecond;
    context.engine().wait(deadline);
    overslept = now() >= deadline;
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(runs == kThreads * kPosts);
}

TEST_CASE(
    "PLUG-3: while plugged nothing is handed over, and the last unplug hands over all of it") {
  Fixture f;
  std::vector<IoOp> ops(3, call_op(nullptr, nullptr));
  f.context->plug();
  f.context->plug();
  for (IoOp& op : ops) {
    f.engine->enqueue(&op);
  }
  f.context->submit();
  CHECK(f.engine->queued.size() == 3);
  CHECK(f.context->holds_back());
  f.context->unplug();
  CHECK(f.engine->queued.size() == 3);
  f.context->unplug();
  CHECK(f.engine->queued.size() == 0);
  CHECK(f.engine->submitted.size() == 3);
  CHECK_FALSE(f.context->holds_back());
}

TEST_CASE("PLUG-3: a home that would sleep hands over what a plug holds, once") {
  Fixture f;
  IoOp op = call_op(nullptr, nullptr);
  f.context->plug();
  f.engine->enqueue(&op);
  CHECK(f.context->holds_back());
  f.context->release();
  CHECK(f.engine->submitted.size() == 1);
  // Still in flight, and still plugged: nothing more to hand over.
  CHECK_FALSE(f.context->holds_back());
}

TEST_CASE("PLUG-4: a plug holds at most 127 operations") {
  Fixture f;
  std::vector<IoOp> ops(128, call_op(nullptr, nullptr));
  f.context->plug();
  for (std::size_t i = 0; i < 127; ++i) {
    f.engine->enqueue(&ops[i]);
  }
  f.context->submit();
  CHECK(f.engine->queued.size() == 127);
  f.engine->enqueue(&ops[127]);
  f.context->submit();
  CHECK(f.engine->queued.size() == 0);
  CHECK(f.engine->submitted.size() == 128);
}

TEST_CASE("PLUG-13: what the items of a turn enqueue is handed over together, plugged or not") {
  struct Enqueuer : Runnable {
    FakeEngine* engine = nullptr;
    IoOp op = call_op(nullptr, nullptr);
  };
  for (const bool plugged : {false, true}) {
    Fixture f;
    std::vector<Enqueuer> items(3);
    for (Enqueuer& item : items) {
      item.engine = f.engine;
      item.op.done = [](IoOp*) {};
      item.run = [](Runnable* self) {
        auto* enqueuer = static_cast<Enqueuer*>(self);
        enqueuer->engine->enqueue(&enqueuer->op);
      };
      f.context->post(&item);
    }
    if (plugged) {
      f.context->plug();
    }
    f.context->turn();
    if (plugged) {
      CHECK(f.engine->batches.empty());
      f.context->unplug();
    }
    CHECK(f.engine->batches == std::vector<std::size_t>{3});
  }
}
