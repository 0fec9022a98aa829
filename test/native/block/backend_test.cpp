// What requests meet before they reach a node.
#include "block/backend.hpp"

#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

struct Bench {
  World world;
  Backend backend{world.context, world};
  TestNode node{world, 4096};

  void insert() { backend.root() = node.edge; }
  void remove() { backend.root() = Edge(); }

  struct Submitted : Request {
    bool finished = false;
  };
  void submit(Submitted& request, Operation operation, std::int64_t offset, std::int64_t bytes) {
    request.backend = &backend;
    request.operation = operation;
    request.offset = offset;
    request.bytes = bytes;
    request.single = {buffer_, sizeof(buffer_)};
    request.done = [](Request* done) {
      static_cast<Submitted*>(done)->finished = true;
      done->backend->uncount();
    };
    backend.count();
    backend.submit(&request);
    world.settle_down();
  }
  std::int64_t result(Operation operation, std::int64_t offset = 0, std::int64_t bytes = 0) {
    Submitted request;
    submit(request, operation, offset, bytes);
    REQUIRE(request.finished);
    return request.result;
  }

 private:
  char buffer_[4096] = {};
};

constexpr std::int64_t kTooLong = 1LL << 31;

}  // namespace

TEST_CASE("REQ-1: size first, then medium, offset, end") {
  Bench bench;
  for (const Operation transfer : {Operation::kRead, Operation::kWrite}) {
    CHECK(bench.result(transfer, -1, kTooLong) == -EIO);
    CHECK(bench.result(transfer, -1, 512) == -ENOMEDIUM);
    CHECK(bench.result(transfer, 1 << 20, 512) == -ENOMEDIUM);
  }
  bench.insert();
  for (const Operation transfer : {Operation::kRead, Operation::kWrite}) {
    CHECK(bench.result(transfer, 0, kTooLong) == -EIO);
    CHECK(bench.result(transfer, -1, 512) == -EIO);
    CHECK(bench.result(transfer, 4096, 512) == -EIO);
    CHECK(bench.result(transfer, 0, 512) == 512);
  }
  bench.backend.flags().tray_open = true;
  CHECK(bench.result(Operation::kRead, -1, 512) == -ENOMEDIUM);
  bench.backend.flags().tray_open = false;
  bench.node.driver->inserted = false;
  CHECK(bench.result(Operation::kRead, -1, 512) == -ENOMEDIUM);
}

TEST_CASE("REQ-2: a negative size comes before a missing medium") {
  Bench bench;
  for (const Operation operation :
       {Operation::kRead, Operation::kWrite, Operation::kWriteZeroes, Operation::kDiscard}) {
    CHECK(bench.result(operation, 0, -1) == -EIO);
  }
}

TEST_CASE("REQ-5: the error of a length query is the request's") {
  Bench bench;
  bench.node.driver->variable_length = true;
  bench.insert();
  bench.node.driver->length_error = -EREMOTEIO;
  CHECK(bench.result(Operation::kRead, 0, 512) == -EREMOTEIO);
  CHECK(bench.result(Operation::kLength) == -EREMOTEIO);
  bench.node.driver->length_error = 0;
  bench.node.driver->size = 1024;
  CHECK(bench.result(Operation::kRead, 512, 1024) == -EIO);
  CHECK(bench.result(Operation::kLength) == 1024);
}

TEST_CASE("REQ-9: without a medium, or with the tray open, there is no length") {
  Bench bench;
  CHECK(bench.result(Operation::kLength) == -ENOMEDIUM);
  bench.insert();
  CHECK(bench.result(Operation::kLength) == 4096);
  bench.backend.flags().tray_open = true;
  CHECK(bench.result(Operation::kLength) == -ENOMEDIUM);
}

TEST_CASE("REQ-10: the sector count is 0 without a node and for an error; a tray does not matter") {
  Bench bench;
  CHECK(bench.result(Operation::kSectors) == 0);
  bench.node.driver->variable_length = true;
  bench.insert();
  CHECK(bench.result(Operation::kSectors) == 8);
  bench.backend.flags().tray_open = true;
  CHECK(bench.result(Operation::kSectors) == 8);
  bench.node.driver->length_error = -EIO;
  CHECK(bench.result(Operation::kSectors) == 0);
}

TEST_CASE("MISC-5: with the tray open vmstate and probes are ENOMEDIUM, whatever the range is") {
  Bench bench;
  bench.insert();
  bench.backend.flags().tray_open = true;
  for (const Operation operation :
       {Operation::kSaveVmstate, Operation::kLoadVmstate, Operation::kProbeBlockSizes,
        Operation::kProbeGeometry, Operation::kSgIo}) {
    CHECK(bench.result(operation, -1, 0) == -ENOMEDIUM);
  }
}

TEST_CASE("MISC-6: a vmstate of a negative position, or beyond what can be, is EIO") {
  Bench bench;
  bench.insert();
  for (const Operation operation : {Operation::kSaveVmstate, Operation::kLoadVmstate}) {
    CHECK(bench.result(operation, -1, 512) == -EIO);
    CHECK(bench.result(operation, kMaxLength, 1) == -EIO);
    CHECK(bench.result(operation, INT64_MAX, 512) == -EIO);
    CHECK(bench.result(operation, 0, std::int64_t{INT_MAX} + 1) == -EIO);
    CHECK(bench.result(operation, 0, 512) == -ENOTSUP);
  }
}

TEST_CASE("REQ-12: available means inserted and the tray closed") {
  Bench bench;
  CHECK_FALSE(bench.backend.is_available());
  bench.insert();
  CHECK(bench.backend.is_available());
  bench.backend.flags().tray_open = true;
  CHECK_FALSE(bench.backend.is_available());
  bench.backend.flags().tray_open = false;
  bench.node.driver->inserted = false;
  CHECK_FALSE(bench.backend.is_available());
}

TEST_CASE("REQ-13: with the tray open everything fails with ENOMEDIUM") {
  Bench bench;
  bench.insert();
  bench.backend.flags().tray_open = true;
  for (const Operation operation :
       {Operation::kRead, Operation::kWrite, Operation::kWriteZeroes, Operation::kDiscard,
        Operation::kFlush, Operation::kTruncate, Operation::kIoctl, Operation::kLength}) {
    CHECK(bench.result(operation) == -ENOMEDIUM);
  }
}

TEST_CASE("REQ-14: a medium that was removed or swapped meanwhile is what a parked request meets") {
  Bench bench;
  bench.insert();
  Bench::Submitted removed;
  bench.backend.quiesce_begin();
  bench.submit(removed, Operation::kRead, 0, 512);
  CHECK_FALSE(removed.finished);
  bench.remove();
  bench.backend.quiesce_end();
  CHECK(removed.result == -ENOMEDIUM);

  TestNode other(bench.world, 512);
  Bench::Submitted swapped;
  Bench::Submitted beyond;
  bench.insert();
  bench.backend.quiesce_begin();
  bench.submit(swapped, Operation::kWrite, 0, 512);
  bench.submit(beyond, Operation::kWrite, 512, 512);  // inside the old medium only
  bench.backend.root() = other.edge;
  bench.backend.quiesce_end();
  bench.world.settle_down();
  CHECK(swapped.result == 512);
  CHECK(beyond.result == -EIO);
  CHECK(other.take_calls() == Calls{"write 0+512"});
  CHECK(bench.node.take_calls().empty());
}

TEST_CASE("RW-4: the write cache is looked at when a parked write is issued") {
  Bench bench;
  bench.insert();
  Bench::Submitted write;
  bench.backend.quiesce_begin();
  bench.submit(write, Operation::kWrite, 0, 512);
  bench.backend.flags().write_cache = false;
  bench.backend.quiesce_end();
  bench.world.settle_down();
  CHECK(write.result == 512);
  CHECK(bench.node.take_calls() == Calls{"write 0+512", "flush"});
}

TEST_CASE("NEW-20: until its begin has arrived a section waits, as the home may submit more") {
  Bench bench;
  bench.insert();
  Bench::Submitted early;
  Bench::Submitted late;
  bench.backend.announce_begin();
  CHECK(bench.backend.quiesce_count() == 1);
  CHECK(bench.backend.in_flight() == 0);
  CHECK(bench.backend.busy() == 1);  // nothing is in flight, and nothing is quiet
  bench.node.driver->hold = "read";
  bench.submit(early, Operation::kRead, 0, 512);
  CHECK(bench.backend.busy() == 2);
  bench.backend.quiesce_begin();
  bench.backend.begin_arrived();
  CHECK(bench.backend.busy() == 1);
  bench.submit(late, Operation::kRead, 0, 512);
  CHECK(bench.backend.parked() == 1);
  CHECK(bench.backend.busy() == 1);
  bench.node.driver->release();
  bench.world.settle_down();
  CHECK(early.result == 512);
  CHECK(bench.backend.busy() == 0);
  bench.backend.announce_end();
  bench.backend.quiesce_end();
  bench.world.settle_down();
  CHECK(late.result == 512);
  CHECK(bench.world.idles == 2);  // the begin's arrival, and the end of what was in flight
}

TEST_CASE("NEW-21: what a home itself submits in a drained section is parked and never counts") {
  World world;
  TestNode node(world, 65536);
  Backend backend(world.context, world);
  backend.set_root(node.edge);
  struct Counted : Request {
    bool done_called = false;
  } request;
  request.backend = &backend;
  request.operation = Operation::kFlush;
  request.done = [](Request* done) {
    static_cast<Counted*>(done)->done_called = true;
    done->backend->uncount();
  };
  backend.announce_begin();
  backend.quiesce_begin();
  backend.begin_arrived();
  backend.submit_from_home(&request);
  CHECK(backend.busy() == 0);
  CHECK(backend.parked() == 1);
  backend.announce_end();
  backend.quiesce_end();
  world.settle_down();
  CHECK(request.done_called);
  CHECK(backend.in_flight() == 0);
  backend.submit_from_home(&request);
  world.settle_down();
  CHECK(backend.in_flight() == 0);
}
