#include "aio/io-thread.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aio/task.hpp"
#include "aio/worker-pool.hpp"
#include "support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;

std::unique_ptr<IoThread> start(const std::string& name, IoThread::AfterTurn after_turn = nullptr,
                                void* owner = nullptr) {
  int error = 1;
  auto thread = IoThread::start(EngineChoice::kThreads, name, after_turn, owner, error);
  REQUIRE(thread != nullptr);
  CHECK(error == 0);
  return thread;
}

bool stop(IoThread& thread) { return thread.stop(now() + 20 * kSecond); }

struct Job : Runnable {
  explicit Job(std::function<void()> function) : body(std::move(function)) {
    run = [](Runnable* self) { static_cast<Job*>(self)->body(); };
  }
  std::function<void()> body;
};

/// Runs `body` on the thread and waits until it did.
void on_thread(IoThread& thread, std::function<void()> body) {
  std::atomic<bool> done{false};
  Job job([&] {
    body();
    done = true;
  });
  thread.context().post(&job);
  CHECK(eventually([&] { return done.load(); }));
}

struct Results {
  std::atomic<int> finished{0};
  std::atomic<int> cancelled{0};
};

Detached call(Engine& engine, Gate* gate, Results* results) {
  const std::int64_t result = co_await IoAwaiter(engine, Gate::pass, gate);
  results->cancelled += result == -ECANCELED ? 1 : 0;
  ++results->finished;
}

Detached retry_for_ever(Engine& engine, Gate* gate, const std::atomic<bool>* give_up) {
  while (!give_up->load()) {
    co_await IoAwaiter(engine, Gate::pass, gate);
  }
}

/// How often each of our threads went to sleep by itself so far.
std::map<std::string, long> voluntary_switches(const std::string& io_thread) {
  std::map<std::string, long> switches;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
    if (name != io_thread && name != "blk-worker") {
      continue;
    }
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("voluntary_ctxt_switches:")) {
        switches[task.path().filename().string()] = std::stol(line.substr(line.find(':') + 1));
      }
    }
  }
  return switches;
}

}  // namespace

TEST_CASE("aio/io-thread: runs what four threads post, each one's in its order") {
  constexpr std::size_t kThreads = 4;
  constexpr int kPosts = 5'000;
  const auto io = start("io-post");
  std::atomic<int> runs{0};
  std::atomic<int> out_of_order{0};
  std::vector<int> expected(kThreads);
  std::vector<std::vector<std::unique_ptr<Job>>> jobs(kThreads);
  for (std::size_t owner = 0; owner < kThreads; ++owner) {
    for (int i = 0; i < kPosts; ++i) {
      jobs[owner].push_back(std::make_unique<Job>([&, owner, i] {
        out_of_order += expected[owner]++ != i ? 1 : 0;
        ++runs;
      }));
    }
  }
  std::vector<std::thread> threads;
  for (auto& own : jobs) {
    threads.emplace_back([&] {
      for (const auto& job : own) {
        io->context().post(job.get());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(eventually([&] { return runs.load() == static_cast<int>(kThreads) * kPosts; }));
  CHECK(out_of_order == 0);
  CHECK(stop(*io));
}

TEST_CASE("aio/io-thread: has a name, and takes no signals but those of faults") {
  const auto io = start("io-with-a-long-name");
  char name[16] = "";
  sigset_t mask{};
  on_thread(*io, [&] {
    pthread_getname_np(pthread_self(), name, sizeof(name));
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  });
  CHECK(std::string(name) == "io-with-a-long-");
  CHECK(sigismember(&mask, SIGTERM) == 1);
  CHECK(sigismember(&mask, SIGSEGV) == 0);
  CHECK(io->report().engine == "threads");
  CHECK(stop(*io));
}

TEST_CASE("aio/io-thread: timers fire in their order and not before their time") {
  const auto io = start("io-timers");
  struct TestTimer : Timer {
    TestTimer()
        : Timer([](Runnable* self) {
            auto* timer = static_cast<TestTimer*>(self);
            timer->fired_at = now();
          }) {}
    std::atomic<Nanoseconds> fired_at{0};
  };
  TestTimer early;
  TestTimer late;
  Nanoseconds base = 0;
  on_thread(*io, [&] {
    base = now();
    io->context().timers().arm(late, base + 30 * kMillisecond);
    io->context().timers().arm(early, base + 10 * kMillisecond);
  });
  CHECK(eventually([&] { return late.fired_at.load() != 0; }));
  CHECK(early.fired_at >= base + 10 * kMillisecond);
  CHECK(late.fired_at >= base + 30 * kMillisecond);
  CHECK(early.fired_at < late.fired_at);
  CHECK(stop(*io));
}

TEST_CASE("aio/io-thread: tells its owner after every turn, on the thread") {
  struct Owner {
    std::atomic<int> turns{0};
    std::atomic<int> runs{0};
    std::atomic<int> runs_handed_over{0};
  } owner;
  const auto after_turn = [](void* data) {
    auto* self = static_cast<Owner*>(data);
    ++self->turns;
    self->runs_handed_over = self->runs.load();
  };
  const auto io = start("io-after", after_turn, &owner);
  Job job([&] { ++owner.runs; });
  io->context().post(&job);
  CHECK(eventually([&] { return owner.runs_handed_over.load() == 1; }));
  CHECK(stop(*io));
  CHECK(owner.turns > 0);
}

TEST_CASE("aio/io-thread: with nothing to do neither it nor its workers wake up") {
  const auto io = start("io-idle");
  Gate gate;
  gate.open = true;
  Results results;
  on_thread(*io, [&] {
    for (int i = 0; i < 10; ++i) {
      call(io->context().engine(), &gate, &results);
    }
  });
  CHECK(eventually([&] { return results.finished.load() == 10; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto before = voluntary_switches("io-idle");
  CHECK(before.size() >= 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(voluntary_switches("io-idle") == before);
  CHECK(stop(*io));
}

TEST_CASE("aio/io-thread: stop cancels what waits and lets what runs end") {
  const auto io = start("io-stop");
  const int limit = static_cast<int>(WorkerPool::kDefaultLimit);
  Gate gate;
  Results results;
  on_thread(*io, [&] {
    for (int i = 0; i < limit + 20; ++i) {
      call(io->context().engine(), &gate, &results);
    }
  });
  CHECK(eventually([&] { return gate.entered.load() == limit; }));
  std::thread opener([&] {
    CHECK(eventually([&] { return results.cancelled.load() == 20; }));
    gate.open = true;
  });
  CHECK(stop(*io));
  opener.join();
  CHECK(results.finished == limit + 20);
  CHECK(results.cancelled == 20);
  CHECK(io->context().engine().in_flight() == 0);
  CHECK(stop(*io));  // still stopped
}

TEST_CASE("aio/io-thread: a stop in the middle of a turn is not slept through") {
  const auto io = start("io-mid-turn");
  std::atomic<bool> in_turn{false};
  Job job([&] {
    in_turn = true;
    // Long enough for stop() to have woken the engine, so that this turn answers that wake-up.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  io->context().post(&job);
  CHECK(eventually([&] { return in_turn.load(); }));
  CHECK(io->stop(now() + 5 * kSecond));
}

TEST_CASE("aio/io-thread: stop gives up at its deadline while an operation blocks") {
  const auto io = start("io-stuck");
  Gate gate;
  Results results;
  on_thread(*io, [&] { call(io->context().engine(), &gate, &results); });
  CHECK(eventually([&] { return gate.entered.load() == 1; }));
  const Nanoseconds before = now();
  CHECK_FALSE(io->stop(before + 50 * kMillisecond));
  CHECK(now() - before >= 50 * kMillisecond);
  CHECK(results.finished == 0);
  // By contract it is kept alive for ever from here on. A test can do better: once the operation
  // has ended, so have the threads, and the test becomes the home that resumes the coroutine.
  gate.open = true;
  stop(*io);
  CHECK(io->context().engine().stop(now() + 20 * kSecond));
  io->context().turn();
  CHECK(results.finished == 1);
}

TEST_CASE("aio/io-thread: a coroutine that retries for ever cannot hold up stop") {
  const auto io = start("io-retry");
  Gate gate;
  gate.open = true;
  std::atomic<bool> give_up{false};
  on_thread(*io, [&] { retry_for_ever(io->context().engine(), &gate, &give_up); });
  std::thread ends_it([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    give_up = true;
  });
  CHECK(stop(*io));
  ends_it.join();
}

TEST_CASE("aio/io-thread: many start and stop, with and without work") {
  for (int i = 0; i < 50; ++i) {
    const auto io = start("io-many");
    Gate gate;
    gate.open = true;
    Results results;
    Job job([&] { call(io->context().engine(), &gate, &results); });
    if (i % 2 == 0) {
      io->context().post(&job);
    }
    REQUIRE(stop(*io));
    CHECK(results.finished.load() == (i % 2 == 0 ? 1 : 0));
  }
}

TEST_CASE("aio/io-thread: a thread that cannot be started is an error, not an exception") {
  pthread_attr_t before;
  pthread_getattr_default_np(&before);
  pthread_attr_t huge;
  pthread_attr_init(&huge);
  pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
  pthread_setattr_default_np(&huge);
  int error = 0;
  CHECK(IoThread::start(EngineChoice::kThreads, "never", nullptr, nullptr, error) == nullptr);
  CHECK(error == -EAGAIN);
  pthread_setattr_default_np(&before);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
}
