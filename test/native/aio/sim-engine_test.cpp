#include "aio/sim-engine.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;

constexpr std::uint32_t kAlways = 1'000'000;

struct Sim {
  explicit Sim(const SimOptions& options) : engine(options, clock) {}

  /// Runs one operation to its end.
  std::int64_t run(IoOp op) {
    engine.enqueue(&op);
    engine.wait(kNever);
    engine.reap(done);
    CHECK(done.pop_front() == &op);
    return op.result;
  }
  std::int64_t write(File& file, std::string text, std::int64_t offset = 0) {
    const iovec iov{text.data(), text.size()};
    return run(transfer_op(IoOpcode::kWrite, file, &iov, 1, offset));
  }
  std::int64_t read(File& file, std::string& text, std::int64_t offset = 0) {
    const iovec iov{text.data(), text.size()};
    return run(transfer_op(IoOpcode::kRead, file, &iov, 1, offset));
  }
  std::int64_t sync(File& file) {
    return run(transfer_op(IoOpcode::kFdatasync, file, nullptr, 0, 0));
  }
  std::int64_t call() {
    return run(call_op([](void*) -> std::int64_t { return 3; }, nullptr));
  }

  VirtualClock clock;
  SimEngine engine;
  IntrusiveList<IoOp> done;
};

struct Completion {
  std::int64_t number;
  Nanoseconds time;
  bool operator==(const Completion&) const = default;
};

std::int64_t identity(void* value) { return *static_cast<std::int64_t*>(value); }

std::vector<Completion> history(const SimOptions& options, std::size_t count) {
  Sim sim(options);
  std::vector<std::int64_t> numbers(count);
  std::vector<IoOp> ops;
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<std::int64_t>(i);
    ops.push_back(call_op(identity, &numbers[i]));
  }
  for (IoOp& op : ops) {
    sim.engine.enqueue(&op);
  }
  std::vector<Completion> completions;
  while (completions.size() < count) {
    sim.engine.wait(kNever);
    sim.engine.reap(sim.done);
    REQUIRE_FALSE(sim.done.empty());
    while (const IoOp* op = sim.done.pop_front()) {
      completions.push_back({op->result, sim.clock.now()});
    }
  }
  CHECK(sim.engine.in_flight() == 0);
  return completions;
}

SimOptions latency(Nanoseconds min, Nanoseconds max, std::uint64_t seed = 1) {
  SimOptions options;
  options.seed = seed;
  options.min_latency = min;
  options.max_latency = max;
  return options;
}

SimOptions fault(std::uint32_t SimOptions::* kind) {
  SimOptions options;
  options.*kind = kAlways;
  return options;
}

}  // namespace

TEST_CASE("aio/sim-engine: the same seed gives the same run, another seed another") {
  const auto seed = std::random_device{}();
  MESSAGE("seed ", seed);
  const auto first = history(latency(100, 900, seed), 200);
  CHECK(first == history(latency(100, 900, seed), 200));
  CHECK(first != history(latency(100, 900, seed + 1), 200));
  // Equal due times: only the drawn order decides.
  const auto tied = history(latency(5, 5, seed), 200);
  CHECK(tied == history(latency(5, 5, seed), 200));
  CHECK_FALSE(std::is_sorted(tied.begin(), tied.end(),
                             [](const auto& a, const auto& b) { return a.number < b.number; }));
}

TEST_CASE("aio/sim-engine: a seed means the same with every library") {
  const std::vector<Completion> expected = {{2, 381}, {0, 406}, {1, 450}, {3, 536}, {4, 550}};
  CHECK(history(latency(0, 999, 42), 5) == expected);
}

TEST_CASE("aio/sim-engine: an operation takes its latency, to the nanosecond") {
  Sim sim(latency(1000, 1000));
  sim.clock.advance_to(50);
  IoOp op = call_op([](void*) -> std::int64_t { return 3; }, nullptr);
  sim.engine.enqueue(&op);
  CHECK(sim.engine.in_flight() == 1);
  CHECK(sim.engine.next_due() == kNever);  // not submitted
  sim.engine.submit();
  CHECK(sim.engine.next_due() == 1050);
  sim.clock.advance_to(1049);
  sim.engine.reap(sim.done);
  CHECK(sim.done.empty());
  CHECK(op.result == 0);
  sim.clock.advance_to(1050);
  sim.engine.reap(sim.done);
  CHECK(sim.done.pop_front() == &op);
  CHECK(op.result == 3);
  CHECK(sim.engine.in_flight() == 0);
}

TEST_CASE("aio/sim-engine: latencies are spread over the whole range and never leave it") {
  const auto completions = history(latency(10, 14), 2000);
  std::vector<int> seen(20);
  for (const Completion& completion : completions) {
    REQUIRE(completion.time >= 10);
    REQUIRE(completion.time <= 14);
    ++seen[static_cast<std::size_t>(completion.time)];
  }
  for (std::size_t time = 10; time <= 14; ++time) {
    CHECK(seen[time] > 300);
  }
}

TEST_CASE("aio/sim-engine: wait goes to the next event, never beyond the deadline") {
  Sim sim(latency(100, 100));
  sim.engine.wait(30);
  CHECK(sim.clock.now() == 30);
  sim.engine.wait(kNever);  // nothing will ever happen
  CHECK(sim.clock.now() == 30);
  IoOp op = call_op([](void*) -> std::int64_t { return 0; }, nullptr);
  sim.engine.enqueue(&op);
  sim.engine.wait(90);
  CHECK(sim.clock.now() == 90);
  sim.engine.wait(kNever);
  CHECK(sim.clock.now() == 130);
  sim.engine.wait(10);
  CHECK(sim.clock.now() == 130);
  sim.engine.reap(sim.done);
  CHECK(sim.done.size() == 1);
}

TEST_CASE("aio/sim-engine: without faults it does what was asked, when it is due") {
  Sim sim(SimOptions{});
  File file = temp_file();
  CHECK(sim.write(file, "hello world") == 11);
  CHECK(content_of(file) == "hello world");
  std::string text(20, '-');
  CHECK(sim.read(file, text, 6) == 5);
  CHECK(text.starts_with("world-"));
  CHECK(sim.sync(file) == 0);
  CHECK(sim.call() == 3);
  CHECK(sim.engine.counters().submitted == std::array<std::uint64_t, kIoOpcodes>{1, 1, 1, 1});
}

TEST_CASE("aio/sim-engine: fail does nothing and gives the errno asked for") {
  SimOptions options = fault(&SimOptions::fail_per_million);
  options.fail_errno = ENOSPC;
  Sim sim(options);
  File file = temp_file("old");
  CHECK(sim.write(file, "new") == -ENOSPC);
  CHECK(content_of(file) == "old");
  std::string text(3, '-');
  CHECK(sim.read(file, text) == -ENOSPC);
  CHECK(text == "---");
  CHECK(sim.sync(file) == -ENOSPC);
  CHECK(sim.call() == 3);
}

TEST_CASE("aio/sim-engine: again does nothing and gives EAGAIN") {
  Sim sim(fault(&SimOptions::again_per_million));
  File file = temp_file("old");
  CHECK(sim.write(file, "new") == -EAGAIN);
  CHECK(content_of(file) == "old");
  CHECK(sim.sync(file) == -EAGAIN);
  CHECK(sim.call() == 3);
}

TEST_CASE("aio/sim-engine: short transfers a beginning, at least one byte and not all") {
  Sim sim(fault(&SimOptions::short_per_million));
  bool differ = false;
  std::int64_t previous = 0;
  for (int i = 0; i < 50; ++i) {
    File file = temp_file();
    const std::int64_t written = sim.write(file, "0123456789");
    CHECK(written >= 1);
    CHECK(written <= 9);
    CHECK(content_of(file) ==
          std::string("0123456789").substr(0, static_cast<std::size_t>(written)));
    differ |= i > 0 && written != previous;
    previous = written;
  }
  CHECK(differ);
  File file = temp_file("0123456789");
  std::string text(10, '-');
  const std::int64_t got = sim.read(file, text);
  CHECK(got >= 1);
  CHECK(got <= 9);
  CHECK(text[static_cast<std::size_t>(got)] == '-');
  CHECK(sim.write(file, "x") == 1);  // cannot be divided
  CHECK(sim.sync(file) == 0);
}

TEST_CASE("aio/sim-engine: torn puts a beginning on disk and then fails; reads are unharmed") {
  Sim sim(fault(&SimOptions::torn_per_million));
  for (int i = 0; i < 20; ++i) {
    File file = temp_file("oooooooooo");
    CHECK(sim.write(file, "nnnnnnnnnn") == -EIO);
    const std::string content = content_of(file);
    CHECK(content.size() == 10);
    const std::size_t torn = content.find('o');
    CHECK(torn >= 1);
    CHECK(torn <= 9);
    CHECK(content == std::string(torn, 'n') + std::string(10 - torn, 'o'));
    std::string text(10, '-');
    CHECK(sim.read(file, text) == 10);
    CHECK(sim.sync(file) == 0);
  }
}

TEST_CASE("aio/sim-engine: direct files are divided only where the kernel would accept it") {
  Sim sim(fault(&SimOptions::short_per_million));
  File file = temp_file();
  file.direct = true;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t written = sim.write(file, std::string(5 * 4096, 'x'));
    CHECK(written % 4096 == 0);
    CHECK(written > 0);
    CHECK(written < 5 * 4096);
  }
  CHECK(sim.write(file, std::string(4096, 'x')) == 4096);
}

TEST_CASE("aio/sim-engine: faults come as often as asked") {
  SimOptions options;
  options.fail_per_million = 250'000;
  Sim sim(options);
  File file = temp_file("x");
  std::string byte = "-";
  int failed = 0;
  for (int i = 0; i < 4000; ++i) {
    failed += sim.read(file, byte) != 1 ? 1 : 0;
  }
  CHECK(failed > 850);
  CHECK(failed < 1150);
}

TEST_CASE("aio/sim-engine: cancel_all refuses what has not happened yet, now and later") {
  Sim sim(latency(100, 200));
  File file = temp_file("old");
  std::string text = "new";
  const iovec iov{text.data(), text.size()};
  std::vector<IoOp> ops(10, transfer_op(IoOpcode::kWrite, file, &iov, 1, 0));
  for (std::size_t i = 0; i < 9; ++i) {
    sim.engine.enqueue(&ops[i]);
    if (i < 5) {
      sim.engine.submit();
    }
  }
  sim.engine.cancel_all();
  sim.engine.enqueue(&ops[9]);
  sim.engine.submit();
  CHECK(sim.engine.in_flight() == 10);
  sim.engine.reap(sim.done);
  CHECK(sim.done.size() == 10);
  CHECK(sim.clock.now() == 0);
  for (const IoOp& op : ops) {
    CHECK(op.result == -ECANCELED);
  }
  CHECK(content_of(file) == "old");
  CHECK(sim.engine.stop(0));
}
