// A file node on an engine that gives the results it was told.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aio/support.hpp"
#include "block/scripted.hpp"
#include "drivers/file.hpp"

namespace blk::test {

using namespace blk::aio;
using namespace blk::block;

/// Gives reads, writes and flushes the results that it was told, and runs calls at once.
class AnsweringEngine final : public Engine {
 public:
  explicit AnsweringEngine(const char* name) : name_(name) {}
  std::deque<std::int64_t> answers;
  Calls calls;
  std::vector<std::uint32_t> pieces;  // of the memory of each
  char fill = 0;                      // what reads give, if anything

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
    pieces.push_back(op.iovcnt);
    std::int64_t result = bytes;
    if (!answers.empty()) {
      result = answers.front();
      answers.pop_front();
    }
    if (fill != 0 && op.opcode == IoOpcode::kRead && result > 0) {
      const std::string given(static_cast<std::size_t>(result), fill);
      copy_from_linear(IoSlice(IoView(op.iov, op.iovcnt), 0, given.size()).view(),
                       reinterpret_cast<const std::byte*>(given.data()), given.size());
    }
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
  drivers::FileDriver* driver;
  Options options;
  std::shared_ptr<Node> node;
  std::vector<Warning> warnings;
  std::string data = std::string(4096, '?');
  iovec iov{data.data(), data.size()};

  explicit OpenFile(const char* engine_name, bool direct = false, const char* aio = "auto",
                    bool auto_read_only = false,
                    const drivers::LockCalls& locks = drivers::LockCalls::of_the_kernel())
      : engine(new AnsweringEngine(engine_name)),
        context(std::unique_ptr<Engine>(engine), clock),
        driver(new drivers::FileDriver(locks)) {
    const int fd = ::mkstemp(path.data());
    REQUIRE(::ftruncate(fd, 65536) == 0);
    ::close(fd);
    options.set("filename", path);
    options.set("cache.direct", direct);
    options.set("aio", std::string(aio));
    options.set("auto-read-only", auto_read_only);
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
  void on_warning(std::uint32_t /*node_id*/, Warning what) override { warnings.push_back(what); }

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

}  // namespace blk::test
