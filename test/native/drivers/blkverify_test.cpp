#include "drivers/blkverify.hpp"

#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;
using blk::drivers::BlkverifyDriver;

struct Verify {
  World world;
  TestNode raw{world, 65536};
  TestNode tested{world, 32768};
  BlkverifyDriver* driver = new BlkverifyDriver;
  std::shared_ptr<Node> node =
      std::make_shared<Node>(world.context, named(), std::unique_ptr<Driver>(driver), world);
  Edge edge{0, node, kChildData, kPermAll, kPermAll};
  std::string data = std::string(4096, 'w');
  // In two parts, so that comparing must cross from one to the other.
  iovec iov[2]{{data.data(), 1000}, {data.data() + 1000, 3096}};
  ErrorReport report;

  static NodeOptions named() {
    NodeOptions options;
    options.id = 9;
    return options;
  }
  Verify() {
    auto first = std::make_unique<Edge>(raw.edge);
    first->role = kChildFiltered | kChildPrimary;
    auto second = std::make_unique<Edge>(tested.edge);
    second->role = kChildData;
    node->add_child(std::move(first));
    node->add_child(std::move(second));
    REQUIRE(world.run(node->open({}, report)).ok());
  }
  int read(std::int64_t offset, std::int64_t bytes = 4096) {
    return world.run(node->preadv(edge, offset, bytes, IoView(iov, 2), 0)).error;
  }
  int write(std::int64_t offset, std::int64_t bytes = 4096) {
    return world.run(node->pwritev(edge, offset, bytes, IoView(iov, 2), 0)).error;
  }
};

}  // namespace

TEST_CASE("blkverify: it is as long as the image under test") {
  Verify verify;
  CHECK(verify.node->length() == 32768);
}

TEST_CASE("blkverify: writes go to both images, reads come from both") {
  Verify verify;
  CHECK(verify.write(512) == 0);
  CHECK(verify.read(512) == 0);
  CHECK(verify.raw.take_calls() == Calls{"write 512+4096", "read 512+4096"});
  CHECK(verify.tested.take_calls() == Calls{"write 512+4096", "read 512+4096"});
}

TEST_CASE("blkverify: the first byte that differs is remembered, and the read fails") {
  Verify verify;
  CHECK(verify.driver->control("first-mismatch", "") == -ENOENT);
  verify.tested.driver->disk[512 + 1001] = 'x';
  CHECK(verify.read(0, 512) == 0);
  CHECK(verify.read(512) == -EIO);
  CHECK(verify.driver->control("first-mismatch", "") == 512 + 1001);
  verify.tested.driver->disk[5] = 'x';
  CHECK(verify.read(0, 512) == -EIO);
  CHECK(verify.driver->control("first-mismatch", "") == 512 + 1001);
  CHECK(verify.driver->control("mismatches", "") == 2);
  CHECK(verify.driver->control("disagreements", "") == 0);
}

TEST_CASE("blkverify: the same error from both is that error, another one is EIO") {
  Verify verify;
  verify.raw.driver->errors["write"] = -ENOSPC;
  verify.tested.driver->errors["write"] = -ENOSPC;
  CHECK(verify.write(0) == -ENOSPC);
  CHECK(verify.driver->control("disagreements", "") == 0);
  verify.raw.driver->errors.clear();
  CHECK(verify.write(0) == -EIO);
  verify.tested.driver->errors.clear();
  verify.raw.driver->errors["read"] = -EACCES;
  CHECK(verify.read(0) == -EIO);
  CHECK(verify.driver->control("disagreements", "") == 2);
  CHECK(verify.driver->control("mismatches", "") == 0);
  CHECK(verify.driver->control("other", "") == -ENOTSUP);
}

TEST_CASE("blkverify: both images are asked at once, and the slower one is waited for") {
  for (const bool raw_is_slow : {true, false}) {
    Verify verify;
    TestNode& slow = raw_is_slow ? verify.raw : verify.tested;
    slow.driver->hold = "read";
    auto read =
        verify.world.start(verify.node->preadv(verify.edge, 0, 4096, IoView(verify.iov, 2), 0));
    CHECK_FALSE(read.done());
    CHECK(verify.raw.take_calls().size() == 1);
    CHECK(verify.tested.take_calls().size() == 1);
    slow.driver->release();
    verify.world.settle_down();
    CHECK(read.value().ok());
  }
}

TEST_CASE("blkverify: only the image under test is flushed") {
  Verify verify;
  CHECK(verify.write(0) == 0);
  verify.raw.take_calls();
  verify.tested.take_calls();
  CHECK(verify.world.run(verify.node->flush()).ok());
  CHECK(verify.raw.take_calls().empty());
  CHECK(verify.tested.take_calls() == Calls{"flush"});
}

TEST_CASE("REOP-14: blkverify cannot be reopened") {
  Verify verify;
  CHECK_FALSE(verify.driver->has_reopen());
  const ReopenRequest request;
  CHECK(verify.world.run(verify.driver->reopen_prepare(request, verify.report)).error == -ENOTSUP);
}

TEST_CASE("blkverify: zero-writes reach both images as data") {
  Verify verify;
  CHECK(verify.world.run(verify.node->pwrite_zeroes(verify.edge, 0, 4096, 0)).ok());
  CHECK(verify.raw.take_calls() == Calls{"write 0+4096"});
  CHECK(verify.tested.take_calls() == Calls{"write 0+4096"});
}
