// What the file driver makes of the results that an engine gives it.
#include "drivers/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>

#include "aio/support.hpp"
#include "block/scripted.hpp"

namespace {

using namespace blk::aio;
using namespace blk::block;
using namespace blk::test;

/// Gives reads, writes and flushes the results that it was told, and runs calls at once.
class AnsweringEngine final : public Engine {
 public:
  explicit AnsweringEngine(const char* name) : name_(name) {}
  std::deque<std::int64_t> answers;
  Calls calls;

  const char* name() const override { return name_; }
  void enqueue(IoOp* op) override {
    ++in_flight_;
    queued_.push_back(op);
  }
  void submit() override {}
  void reap(IntrusiveList<IoOp>& done) override {
    while (IoOp* op = queued_.pop_front()) {
      --in_flight_;
      op->result = op->opcode == IoOpcode::kCall ? op->call(op->argument) : answer(*op);
      done.push_back(op);
    }
  }
  void wait(Nanoseconds /*deadline*/) override {}
  void wake() override {}
  int poll_fd() const override { return -1; }
  std::size_t in_flight() const override { return in_flight_; }
  const EngineCounters& counters() const override { return counters_; }
  void cancel_all() override {}
  bool stop(Nanoseconds /*deadline*/) override { return true; }

 private:
  std::int64_t answer(const IoOp& op) {
    std::int64_t bytes = 0;
    for (std::uint32_t i = 0; i < op.iovcnt; ++i) {
      bytes += static_cast<std::int64_t>(op.iov[i].iov_len);
    }
    const char* what = op.opcode == IoOpcode::kRead    ? "read"
                       : op.opcode == IoOpcode::kWrite ? "write"
                                                       : "fdatasync";
    calls.push_back(call_name(what, op.offset, bytes));
    if (answers.empty()) {
      return bytes;
    }
    const std::int64_t result = answers.front();
    answers.pop_front();
    return result;
  }

  const char* name_;
  IntrusiveList<IoOp> queued_;
  std::size_t in_flight_ = 0;
  EngineCounters counters_;
};

struct OpenFile : GraphListener {
  VirtualClock clock;
  AnsweringEngine* engine;
  AioContext context;
  std::string path = (std::filesystem::temp_directory_path() / "file-test-XXXXXX").string();
  blk::drivers::FileDriver* driver = new blk::drivers::FileDriver;
  std::shared_ptr<Node> node;
  std::string data = std::string(4096, '?');
  iovec iov{data.data(), data.size()};

  explicit OpenFile(const char* engine_name, bool direct = false, const char* aio = "auto")
      : engine(new AnsweringEngine(engine_name)), context(std::unique_ptr<Engine>(engine), clock) {
    const int fd = ::mkstemp(path.data());
    REQUIRE(::ftruncate(fd, 65536) == 0);
    ::close(fd);
    Options options;
    options.set("filename", path);
    options.set("cache.direct", direct);
    options.set("aio", std::string(aio));
    NodeOptions names;
    names.id = 1;
    node = std::make_shared<Node>(context, names, std::unique_ptr<Driver>(driver), *this);
    ErrorReport report;
    REQUIRE(run(node->open(options, report)).ok());
  }
  ~OpenFile() override {
    CHECK(run(node->close()).ok());
    ::unlink(path.c_str());
  }
  void on_idle() override {}
  void on_resized(std::uint32_t /*node_id*/) override {}
  void on_parked(int /*change*/) override {}

  template <typename T>
  T run(Task<T> task) {
    Started<T> started;
    settle(std::move(task), started.result);
    while (!started.done()) {
      context.turn();
    }
    return started.value();
  }
  int read(std::int64_t offset = 0) {
    return run(driver->preadv(offset, 4096, IoView(&iov, 1), 0)).error;
  }
  int write(std::int64_t offset = 0) {
    return run(driver->pwritev(offset, 4096, IoView(&iov, 1), 0)).error;
  }
  int flush() { return run(driver->flush_to_disk()).error; }
  Calls take_calls() { return std::exchange(engine->calls, {}); }
};

}  // namespace

TEST_CASE("PLUG-5: EINTR and EAGAIN are tried again") {
  OpenFile file("io_uring");
  file.engine->answers = {-EINTR, -EAGAIN, 4096};
  CHECK(file.read() == 0);
  CHECK(file.take_calls() == Calls(3, "read 0+4096"));
  file.engine->answers = {-EAGAIN, -EINTR, 4096};
  CHECK(file.write() == 0);
  CHECK(file.take_calls() == Calls(3, "write 0+4096"));
  file.engine->answers = {-EINTR, 0};
  CHECK(file.flush() == 0);
  CHECK(file.take_calls() == Calls(2, "fdatasync 0+0"));
}

TEST_CASE("PLUG-6: a short read goes on where it stopped, and ends with zeroes at 0") {
  OpenFile file("io_uring");
  file.engine->answers = {1000, 96, 3000};
  CHECK(file.read() == 0);
  CHECK(file.take_calls() == Calls{"read 0+4096", "read 1000+3096", "read 1096+3000"});
  file.engine->answers = {1000, 0};
  CHECK(file.read() == 0);
  CHECK(file.data == std::string(1000, '?') + std::string(3096, '\0'));
}

TEST_CASE("PLUG-7: a write without progress is ENOSPC on a ring and EINVAL on workers") {
  OpenFile ring("io_uring");
  ring.engine->answers = {0};
  CHECK(ring.write() == -ENOSPC);
  ring.engine->answers = {1000, 0};
  CHECK(ring.write() == -ENOSPC);
  OpenFile threads("threads");
  threads.engine->answers = {1000, 0};
  CHECK(threads.write() == -EINVAL);
  OpenFile workers("io_uring", false, "threads");
  workers.engine->answers = {0};
  CHECK(workers.write() == -EINVAL);
}

TEST_CASE("FILE-10: under O_DIRECT EINVAL after a short read is the end of the file") {
  OpenFile direct("io_uring", true);
  direct.engine->answers = {1000, -EINVAL};
  CHECK(direct.read() == 0);
  OpenFile cached("io_uring");
  cached.engine->answers = {1000, -EINVAL};
  CHECK(cached.read() == -EINVAL);
  direct.engine->answers = {-EINVAL};
  CHECK(direct.read() == -EINVAL);
}

TEST_CASE("FLUSH-8: a failed flush is remembered, except under O_DIRECT") {
  OpenFile cached("io_uring");
  cached.engine->answers = {-EIO};
  CHECK(cached.flush() == -EIO);
  CHECK(cached.flush() == -EIO);
  CHECK(cached.take_calls().size() == 1);
  OpenFile direct("io_uring", true);
  direct.engine->answers = {-EIO, 0};
  CHECK(direct.flush() == -EIO);
  CHECK(direct.flush() == 0);
  CHECK(direct.take_calls().size() == 2);
}

TEST_CASE("FILE-22: the allocated size is st_blocks * 512") {
  OpenFile file("threads");
  CHECK(file.run(file.driver->allocated_size()) == 0);
  const std::string block(4096, 'x');
  const int fd = ::open(file.path.c_str(), O_WRONLY);
  REQUIRE(::pwrite(fd, block.data(), block.size(), 8192) == 4096);
  struct stat info{};
  REQUIRE(::fstat(fd, &info) == 0);
  ::close(fd);
  CHECK(info.st_blocks > 0);
  CHECK(file.run(file.driver->allocated_size()) == info.st_blocks * 512);
}
