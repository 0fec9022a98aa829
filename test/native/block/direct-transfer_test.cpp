// Reads and writes that no coroutine carries, as a backend starts them.
#include "block/direct-transfer.hpp"

#include <cerrno>
#include <optional>

#include "drivers/open-file.hpp"
#include "drivers/raw.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// A backend over raw over a file of 64 KiB, whose engine answers as told.
struct Disk {
  OpenFile file{"io_uring"};
  std::shared_ptr<Node> raw = std::make_shared<Node>(
      file.context, named(2), std::make_unique<blk::drivers::RawDriver>(), file);
  Backend backend{file.context, file};
  std::string data = std::string(4096, 'w');

  struct Submitted : Request {
    std::optional<std::int64_t> outcome;
  };

  static NodeOptions named(std::uint32_t id) {
    NodeOptions options;
    options.id = id;
    return options;
  }

  explicit Disk(std::int64_t offset = 0) {
    raw->add_child(std::make_unique<Edge>(
        Edge{0, file.node, kChildFiltered | kChildPrimary, kPermAll, kPermAll}));
    Options window;
    window.set("offset", offset);
    ErrorReport report;
    REQUIRE(file.run(raw->open(window, report)).ok());
    backend.set_root(Edge{0, raw, kChildFiltered | kChildPrimary, kPermAll, kPermAll});
  }
  ~Disk() { backend.set_root(Edge()); }

  void submit(Submitted& request, Operation operation, std::int64_t offset) {
    request.backend = &backend;
    request.operation = operation;
    request.offset = offset;
    request.bytes = 4096;
    request.single = {data.data(), data.size()};
    request.done = [](Request* done) {
      static_cast<Submitted*>(done)->outcome = done->result;
      done->backend->uncount();
    };
    backend.count();
    backend.submit(&request);
  }
  std::int64_t run(Operation operation, std::int64_t offset = 0) {
    Submitted request;
    submit(request, operation, offset);
    while (!request.outcome) {
      file.context.turn();
    }
    failed_node = request.failed_node;
    return *request.outcome;
  }

  std::uint32_t failed_node = 0;
};

}  // namespace

TEST_CASE("direct: it counts on every node until it ends, and its offset is shifted") {
  Disk disk(512);
  Disk::Submitted request;
  disk.submit(request, Operation::kRead, 4096);
  CHECK(disk.file.engine->in_flight() == 1);
  CHECK(disk.raw->in_flight() == 1);
  CHECK(disk.file.node->in_flight() == 1);
  CHECK_FALSE(request.outcome);
  disk.file.context.turn();
  CHECK(request.outcome == 4096);
  CHECK(disk.raw->in_flight() == 0);
  CHECK(disk.file.node->in_flight() == 0);
  CHECK(disk.file.take_calls() == Calls{"read 4608+4096"});
}

TEST_CASE("direct: what the engine left undone goes on") {
  Disk disk;
  for (const Operation operation : {Operation::kRead, Operation::kWrite}) {
    const std::string name = operation == Operation::kRead ? "read " : "write ";
    disk.file.engine->answers = {100, -EINTR, 3996};
    CHECK(disk.run(operation) == 4096);
    CHECK(disk.file.take_calls() == Calls{name + "0+4096", name + "100+3996", name + "100+3996"});
    CHECK(disk.raw->in_flight() == 0);
  }
}

TEST_CASE("direct: beyond the end of the file a read is zeroes") {
  Disk disk;
  disk.file.engine->answers = {100, 0};
  CHECK(disk.run(Operation::kRead) == 4096);
  CHECK(disk.data == std::string(100, 'w') + std::string(3996, '\0'));
}

TEST_CASE("direct: an error names the node that it arose in") {
  Disk disk;
  for (const Operation operation : {Operation::kRead, Operation::kWrite}) {
    disk.file.engine->answers = {-EIO};
    CHECK(disk.run(operation) == -EIO);
    CHECK(disk.failed_node == 1);
    CHECK(disk.raw->in_flight() == 0);
    CHECK(disk.file.node->in_flight() == 0);
  }
}

TEST_CASE("direct: a write leaves its end on every node, whatever became of it") {
  Disk disk(4096);
  disk.file.engine->answers = {-ENOSPC};
  CHECK(disk.run(Operation::kWrite, 8192) == -ENOSPC);
  CHECK(disk.raw->highest_written_offset() == 12288);
  CHECK(disk.file.node->highest_written_offset() == 16384);
}

TEST_CASE("direct: it waits for a serialising request, which it must not overlap") {
  Disk disk;
  Disk::Submitted first;
  first.flags = kRequestSerialising;
  disk.submit(first, Operation::kWrite, 0);
  Disk::Submitted second;
  disk.submit(second, Operation::kRead, 0);
  CHECK(disk.file.engine->in_flight() == 1);
  while (!second.outcome) {
    disk.file.context.turn();
  }
  CHECK(first.outcome == 4096);
  CHECK(disk.file.take_calls() == Calls{"write 0+4096", "read 0+4096"});
}

TEST_CASE("direct: a serialising request waits for it") {
  Disk disk;
  Disk::Submitted first;
  disk.submit(first, Operation::kRead, 0);
  Disk::Submitted second;
  second.flags = kRequestSerialising;
  disk.submit(second, Operation::kWrite, 0);
  CHECK(disk.file.engine->in_flight() == 1);
  while (!second.outcome) {
    disk.file.context.turn();
  }
  CHECK(disk.file.take_calls() == Calls{"read 0+4096", "write 0+4096"});
}
