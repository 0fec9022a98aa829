#include "aio/worker-pool.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <vector>

#include "support.hpp"

namespace {

using blk::aio::Doorbell;
using blk::aio::execute_blocking;
using blk::aio::File;
using blk::aio::IntrusiveList;
using blk::aio::IoOp;
using blk::aio::IoOpcode;
using blk::aio::kNever;
using blk::aio::WorkerPool;
using namespace blk::test;

std::int64_t nothing(void*) { return 1; }

struct PoolFixture {
  explicit PoolFixture(std::size_t limit) : pool(doorbell, limit) { REQUIRE(doorbell.open() == 0); }

  void submit(std::vector<IoOp>& ops) {
    IntrusiveList<IoOp> batch;
    for (IoOp& op : ops) {
      batch.push_back(&op);
    }
    pool.submit(batch);
    CHECK(batch.empty());
  }

  /// Waits the way an engine does: only when the bell rang is there something to collect.
  bool collect(std::size_t count) {
    return eventually([&] {
      if (readable(doorbell.fd())) {
        doorbell.answer(true);
        pool.collect(done);
      }
      return done.size() >= count;
    });
  }

  Doorbell doorbell;
  WorkerPool pool;
  IntrusiveList<IoOp> done;
};

/// Makes every pthread_create fail with EAGAIN while it lives: no address space has room for the
/// stack.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
    pthread_setattr_default_np(&huge);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

}  // namespace

TEST_CASE("aio/worker-pool: starts threads while work waits, up to the limit, and runs it all") {
  PoolFixture fixture(4);
  CHECK(fixture.pool.threads() == 0);
  Gate gate;
  std::vector<IoOp> ops(10, call_op(Gate::pass, &gate));
  fixture.submit(ops);
  CHECK(eventually([&] { return gate.entered.load() == 4; }));
  CHECK(fixture.pool.threads() == 4);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(gate.entered.load() == 4);
  gate.open = true;
  CHECK(fixture.collect(10));
  for (const IoOp& op : ops) {
    CHECK(op.result == 7);
  }
  CHECK(fixture.pool.threads() == 4);
  CHECK(fixture.pool.stop(now() + 20 * kSecond));
  CHECK(fixture.pool.threads() == 0);
}

TEST_CASE("aio/worker-pool: one operation at a time needs one thread") {
  PoolFixture fixture(8);
  for (std::size_t i = 1; i <= 200; ++i) {
    std::vector<IoOp> ops(1, call_op(nothing, nullptr));
    fixture.submit(ops);
    REQUIRE(fixture.collect(1));
    CHECK(fixture.done.pop_front() == &ops[0]);
    // Idle again before the next one is submitted.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  CHECK(fixture.pool.threads() <= 2);
}

TEST_CASE("aio/worker-pool: operations start in the order of submission") {
  PoolFixture fixture(1);
  static std::vector<int> started;
  started.clear();
  std::vector<int> numbers(300);
  std::vector<IoOp> ops;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<int>(i);
    const auto note = [](void* number) -> std::int64_t {
      started.push_back(*static_cast<int*>(number));
      return 0;
    };
    ops.push_back(call_op(note, &numbers[i]));
  }
  fixture.submit(ops);
  CHECK(fixture.collect(ops.size()));
  CHECK(started == numbers);
}

TEST_CASE("aio/worker-pool: what no thread has taken can be cancelled, what runs cannot") {
  PoolFixture fixture(1);
  Gate gate;
  std::vector<IoOp> running(1, call_op(Gate::pass, &gate));
  std::vector<IoOp> waiting(5, call_op(Gate::pass, &gate));
  fixture.submit(running);
  CHECK(eventually([&] { return gate.entered.load() == 1; }));
  fixture.submit(waiting);
  fixture.pool.cancel_waiting();
  CHECK(fixture.collect(5));
  CHECK(fixture.done.size() == 5);
  for (const IoOp& op : waiting) {
    CHECK(op.result == -ECANCELED);
  }
  gate.open = true;
  CHECK(fixture.collect(6));
  CHECK(running[0].result == 7);
  CHECK(gate.entered.load() == 1);
}

TEST_CASE(
    "aio/worker-pool: buffered writes to a file are done in order, however many threads there "
    "are") {
  PoolFixture fixture(8);
  File file;
  file.fd.reset(::memfd_create("line", 0));
  file.one_writer = true;
  constexpr std::size_t kWrites = 1000;
  std::vector<std::uint64_t> values(kWrites);
  std::vector<iovec> vectors(kWrites);
  std::vector<IoOp> ops(kWrites);
  for (std::size_t i = 0; i < kWrites; ++i) {
    values[i] = i;
    vectors[i] = {&values[i], sizeof(values[i])};
    ops[i].opcode = IoOpcode::kWrite;
    ops[i].file = &file;
    ops[i].iov = &vectors[i];
    ops[i].iovcnt = 1;
  }
  // Beside them calls, which get the other threads going.
  std::vector<IoOp> calls(kWrites, call_op(nothing, nullptr));
  IntrusiveList<IoOp> batch;
  for (std::size_t i = 0; i < kWrites; ++i) {
    batch.push_back(&ops[i]);
    batch.push_back(&calls[i]);
    if (i % 50 == 49) {
      fixture.pool.submit(batch);
    }
  }
  CHECK(fixture.collect(2 * kWrites));
  std::uint64_t last = 0;
  CHECK(::pread(file.fd.get(), &last, sizeof(last), 0) == sizeof(last));
  CHECK(last == kWrites - 1);
  CHECK_FALSE(file.line.taken);
  std::size_t written = 0;
  std::uint64_t before = 0;
  fixture.done.for_each([&](const IoOp& op) {
    if (op.opcode == IoOpcode::kWrite) {
      CHECK(op.result == sizeof(std::uint64_t));
      const std::uint64_t value = *static_cast<std::uint64_t*>(op.iov->iov_base);
      CHECK((written == 0 || value == before + 1));
      before = value;
      ++written;
    }
  });
  CHECK(written == kWrites);
}

TEST_CASE("aio/worker-pool: every file has a line of its own, and all of them are left empty") {
  PoolFixture fixture(4);
  std::vector<File> files(100);
  for (File& file : files) {
    file.fd.reset(::memfd_create("line", 0));
    file.one_writer = true;
  }
  char byte = 'x';
  iovec vector{&byte, 1};
  std::vector<IoOp> ops(files.size() * 40);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    ops[i].opcode = IoOpcode::kWrite;
    ops[i].file = &files[i * 7 % files.size()];
    ops[i].iov = &vector;
    ops[i].iovcnt = 1;
  }
  fixture.submit(ops);
  CHECK(fixture.collect(ops.size()));
  for (const IoOp& op : ops) {
    CHECK(op.result == 1);
  }
  for (const File& file : files) {
    CHECK_FALSE(file.line.taken);
    CHECK(file.line.waiting.empty());
  }
}

TEST_CASE("aio/worker-pool: writes that stand in line can be cancelled, and the line goes on") {
  PoolFixture fixture(1);
  Gate gate;
  File file;
  file.fd.reset(::memfd_create("line", 0));
  file.one_writer = true;
  char byte = 'x';
  iovec vector{&byte, 1};
  IoOp write;
  write.opcode = IoOpcode::kWrite;
  write.file = &file;
  write.iov = &vector;
  write.iovcnt = 1;
  std::vector<IoOp> running(1, call_op(Gate::pass, &gate));
  fixture.submit(running);
  CHECK(eventually([&] { return gate.entered.load() == 1; }));
  std::vector<IoOp> waiting(40, write);
  fixture.submit(waiting);
  fixture.pool.cancel_waiting();
  CHECK(fixture.collect(40));
  for (const IoOp& op : waiting) {
    CHECK(op.result == -ECANCELED);
  }
  gate.open = true;
  std::vector<IoOp> later(40, write);
  fixture.submit(later);
  CHECK(fixture.collect(81));
  for (const IoOp& op : later) {
    CHECK(op.result == 1);
  }
}

TEST_CASE("aio/worker-pool: stop waits for what runs, but not beyond its deadline") {
  PoolFixture fixture(2);
  Gate gate;
  std::vector<IoOp> ops(5, call_op(Gate::pass, &gate));
  fixture.submit(ops);
  CHECK(eventually([&] { return gate.entered.load() == 2; }));
  const auto before = now();
  CHECK_FALSE(fixture.pool.stop(before + 30 * kMillisecond));
  CHECK(now() - before >= 30 * kMillisecond);
  CHECK_FALSE(fixture.pool.stop(-1));
  gate.open = true;
  CHECK(fixture.pool.stop(now() + 20 * kSecond));
  CHECK(fixture.pool.stop(now()));
  CHECK(fixture.collect(5));
  int cancelled = 0;
  for (const IoOp& op : ops) {
    cancelled += op.result == -ECANCELED ? 1 : 0;
  }
  CHECK(cancelled == 3);
  std::vector<IoOp> late(1, call_op(nothing, nullptr));
  fixture.submit(late);
  CHECK(fixture.collect(6));
  CHECK(late[0].result == -ECANCELED);
}

TEST_CASE("aio/worker-pool: pools come and go with work in all stages") {
  for (int i = 0; i < 200; ++i) {
    PoolFixture fixture(3);
    std::vector<IoOp> ops(static_cast<std::size_t>(i % 7), call_op(nothing, nullptr));
    fixture.submit(ops);
    if (i % 2 == 0) {
      CHECK(fixture.collect(ops.size()));
    }
    CHECK(fixture.pool.stop(kNever));
  }
}

TEST_CASE("aio/worker-pool: without any thread operations fail with EAGAIN, and recover later") {
  PoolFixture fixture(4);
  std::vector<IoOp> ops(3, call_op(nothing, nullptr));
  {
    const NoThreads none;
    fixture.submit(ops);
    CHECK(fixture.collect(3));
  }
  for (const IoOp& op : ops) {
    CHECK(op.result == -EAGAIN);
  }
  fixture.submit(ops);
  CHECK(fixture.collect(6));
  CHECK(ops[2].result == 1);
}

TEST_CASE("aio/worker-pool: with too few threads the work waits for those there are") {
  PoolFixture fixture(4);
  Gate gate;
  std::vector<IoOp> first(1, call_op(Gate::pass, &gate));
  fixture.submit(first);
  CHECK(eventually([&] { return gate.entered.load() == 1; }));
  const NoThreads none;
  std::vector<IoOp> ops(3, call_op(nothing, nullptr));
  fixture.submit(ops);
  CHECK(fixture.pool.threads() == 1);
  gate.open = true;
  CHECK(fixture.collect(4));
  CHECK(ops[2].result == 1);
}

TEST_CASE("aio/worker-pool: workers are named and take no signals but those of faults") {
  PoolFixture fixture(1);
  struct Seen {
    char name[16] = "";
    sigset_t mask{};
  } seen;
  const auto look = [](void* out) -> std::int64_t {
    auto* found = static_cast<Seen*>(out);
    pthread_getname_np(pthread_self(), found->name, sizeof(found->name));
    pthread_sigmask(SIG_SETMASK, nullptr, &found->mask);
    return 0;
  };
  std::vector<IoOp> ops(1, call_op(look, &seen));
  fixture.submit(ops);
  CHECK(fixture.collect(1));
  CHECK(std::string(seen.name) == "blk-worker");
  CHECK(sigismember(&seen.mask, SIGTERM) == 1);
  CHECK(sigismember(&seen.mask, SIGCHLD) == 1);
  CHECK(sigismember(&seen.mask, SIGSEGV) == 0);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  CHECK(sigismember(&own, SIGTERM) == 0);
}

// Takes ten seconds; run it with --no-skip.
TEST_CASE("aio/worker-pool: after ten idle seconds one thread is left" * doctest::skip()) {
  PoolFixture fixture(4);
  Gate gate;
  std::vector<IoOp> ops(4, call_op(Gate::pass, &gate));
  fixture.submit(ops);
  CHECK(eventually([&] { return gate.entered.load() == 4; }));
  gate.open = true;
  CHECK(fixture.collect(4));
  std::this_thread::sleep_for(std::chrono::seconds(9));
  CHECK(fixture.pool.threads() == 4);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  CHECK(fixture.pool.threads() == 1);
  fixture.submit(ops);
  CHECK(fixture.collect(8));
}

TEST_CASE("aio/worker-pool: execute_blocking reads, writes and reports errors as numbers") {
  File file = temp_file("hello");
  std::string first(3, '-');
  std::string second(10, '-');
  const iovec vectors[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  CHECK(execute_blocking(transfer_op(IoOpcode::kRead, file, vectors, 1, 1)) == 3);
  CHECK(first == "ell");
  CHECK(execute_blocking(transfer_op(IoOpcode::kRead, file, vectors, 2, 0)) == 5);
  CHECK(first == "hel");
  CHECK(second == "lo--------");
  CHECK(execute_blocking(transfer_op(IoOpcode::kRead, file, vectors, 2, 5)) == 0);
  CHECK(execute_blocking(transfer_op(IoOpcode::kWrite, file, vectors, 2, 5)) == 13);
  CHECK(content_of(file) == "hellohello--------");
  CHECK(execute_blocking(transfer_op(IoOpcode::kWrite, file, vectors, 0, 0)) == 0);
  CHECK(execute_blocking(transfer_op(IoOpcode::kFdatasync, file, nullptr, 0, 0)) == 0);
  CHECK(execute_blocking(transfer_op(IoOpcode::kRead, file, vectors, 1, -1)) == -EINVAL);
  file.fd.reset();
  CHECK(execute_blocking(transfer_op(IoOpcode::kFdatasync, file, nullptr, 0, 0)) == -EBADF);
}

TEST_CASE("aio/worker-pool: more vectors than the kernel takes are a short transfer") {
  File file = temp_file();
  std::string bytes(IOV_MAX + 10, 'x');
  std::vector<iovec> vectors;
  for (char& byte : bytes) {
    vectors.push_back({&byte, 1});
  }
  const auto count = static_cast<std::uint32_t>(vectors.size());
  CHECK(execute_blocking(transfer_op(IoOpcode::kWrite, file, vectors.data(), count, 0)) == IOV_MAX);
  CHECK(content_of(file) == std::string(IOV_MAX, 'x'));
  CHECK(execute_blocking(transfer_op(IoOpcode::kRead, file, vectors.data(), count, 0)) == IOV_MAX);
}
