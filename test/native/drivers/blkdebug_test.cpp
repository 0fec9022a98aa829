#include "drivers/blkdebug.hpp"

#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;
using blk::drivers::BlkdebugDriver;

/// A blkdebug node over a scripted child of 64 KiB.
struct DebugNode {
  World world;
  TestNode child{world, 65536, named(), [](ScriptedDriver& scripted) {
                   scripted.zero_flags = kRequestMayUnmap | kRequestNoFallback;
                 }};
  BlkdebugDriver* driver = new BlkdebugDriver;
  std::shared_ptr<Node> node =
      std::make_shared<Node>(world.context, named(), std::unique_ptr<Driver>(driver), world);
  Edge edge{0, node, kChildData, kPermAll, kPermAll};
  std::string data = std::string(65536, 'w');
  iovec iov{data.data(), data.size()};
  Options options;
  ErrorReport report;

  static NodeOptions named() {
    NodeOptions options;
    options.id = 9;
    options.state.discard_unmap = true;
    return options;
  }
  explicit DebugNode(const std::string& rules = {}) {
    auto link = std::make_unique<Edge>(child.edge);
    link->role = kChildFiltered | kChildPrimary;
    node->add_child(std::move(link));
    options.set("rules", rules);
  }
  Status open() { return world.run(node->open(options, report)); }
  DebugNode& opened() {
    REQUIRE(open().ok());
    return *this;
  }
  Started<Status> start_read(std::int64_t offset, std::int64_t bytes) {
    return world.start(node->preadv(edge, offset, bytes, view(bytes), 0));
  }
  int read(std::int64_t offset, std::int64_t bytes = 512) {
    return start_read(offset, bytes).value().error;
  }
  int write(std::int64_t offset, std::int64_t bytes = 512) {
    return world.run(node->pwritev(edge, offset, bytes, view(bytes), 0)).error;
  }
  int zero(std::int64_t offset, std::int64_t bytes, RequestFlags flags = 0) {
    return world.run(node->pwrite_zeroes(edge, offset, bytes, flags)).error;
  }
  int discard(std::int64_t offset, std::int64_t bytes) {
    return world.run(node->pdiscard(edge, offset, bytes)).error;
  }
  int status(std::int64_t offset, std::int64_t bytes) {
    return world.run(node->block_status(true, offset, bytes)).error;
  }
  std::int64_t ask(const std::string& command, const std::string& argument = {}) {
    const std::int64_t answer = driver->control(command, argument);
    world.settle_down();
    return answer;
  }
  IoView view(std::int64_t bytes) {
    iov.iov_len = static_cast<std::size_t>(bytes);
    return {&iov, 1};
  }
};

void set_limits(DebugNode& debug, std::initializer_list<std::pair<const char*, int>> limits) {
  for (const auto& [name, value] : limits) {
    debug.options.set(name, std::int64_t{value});
  }
}

/// What a set of limits is refused with; "" when it is not.
std::string refusal(std::initializer_list<std::pair<const char*, int>> limits) {
  DebugNode debug;
  set_limits(debug, limits);
  const int error = debug.open().error;
  CHECK((error == 0 || error == -EINVAL));
  return debug.report.kind;
}

}  // namespace

TEST_CASE("TDRV-3: an error is for its kinds of requests, its sector, once or always") {
  // Any state; reads and flushes (1 + 16); EIO; sector 4; always; after a trip through the loop.
  DebugNode debug("inject-error none 0 17 5 4 0 0");
  debug.opened();
  CHECK(debug.read(1024) == 0);
  CHECK(debug.read(2048) == -EIO);
  CHECK(debug.read(0, 2049) == -EIO);
  CHECK(debug.read(0, 2048) == 0);
  CHECK(debug.read(2049) == 0);
  CHECK(debug.write(2048) == 0);
  CHECK(debug.world.run(debug.node->flush()).ok());  // has no sector
  DebugNode once("inject-error none 0 2 28 -1 1 1\ninject-error none 0 2 1 -1 0 1");
  once.opened();
  CHECK(once.write(0) == -ENOSPC);
  CHECK(once.write(0) == -EPERM);
  CHECK(once.write(0) == -EPERM);
}

TEST_CASE("TDRV-3: zero-writes, discards, flushes and block status have kinds of their own") {
  DebugNode debug(
      "inject-error none 0 4 1 -1 0 1\ninject-error none 0 8 2 -1 0 1\n"
      "inject-error none 0 16 3 -1 0 1\ninject-error none 0 32 4 -1 0 1");
  debug.opened();
  CHECK(debug.read(0) == 0);
  CHECK(debug.write(0) == 0);
  CHECK(debug.zero(0, 512) == -1);
  CHECK(debug.discard(0, 512) == -2);
  CHECK(debug.world.run(debug.node->flush()).error == -3);
  CHECK(debug.status(0, 512) == -4);
  CHECK(debug.child.take_calls() == Calls{"read 0+512", "write 0+512"});
}

TEST_CASE("TDRV-4: an error comes after one trip through the loop, or immediately") {
  for (const bool immediately : {false, true}) {
    DebugNode debug(immediately ? "inject-error none 0 1 5 -1 0 1"
                                : "inject-error none 0 1 5 -1 0 0");
    debug.opened();
    Started<Status> read;
    settle(debug.node->preadv(debug.edge, 0, 512, debug.view(512), 0), read.result);
    CHECK(read.done() == immediately);
    CHECK(debug.node->in_flight() == (immediately ? 0 : 1));
    debug.world.settle_down();
    CHECK(read.value().error == -EIO);
    CHECK(read.value().node == 9);
    CHECK(debug.node->in_flight() == 0);
  }
}

TEST_CASE("TDRV-5: the state decides which rules apply, and the first change counts") {
  DebugNode debug(
      "inject-error pwritev 2 2 5 -1 0 1\ninject-error pwritev 3 2 28 -1 0 1\n"
      "set-state pwritev 1 2\nset-state pwritev 1 9\nset-state pwritev 2 3");
  debug.opened();
  CHECK(debug.ask("state") == 1);
  CHECK(debug.write(0) == 0);
  CHECK(debug.ask("state") == 2);
  CHECK(debug.write(0) == -EIO);
  CHECK(debug.ask("state") == 3);
  CHECK(debug.write(0) == -ENOSPC);
  CHECK(debug.ask("state") == 3);
}

TEST_CASE("TDRV-5: armed errors stay until another event arms its own") {
  DebugNode debug(
      "inject-error pwritev_rmw_head 0 1 5 -1 0 1\ninject-error pwritev 2 2 28 -1 0 1\n"
      "set-state pwritev_done 0 2");
  set_limits(debug, {{"align", 4096}});
  debug.opened();
  CHECK(debug.write(0, 4096) == 0);
  CHECK(debug.write(512) == -EIO);  // its own read
  CHECK(debug.read(0, 4096) == -EIO);
  CHECK(debug.write(0, 4096) == -ENOSPC);
  CHECK(debug.read(0, 4096) == 0);
}

TEST_CASE("TDRV-6: limits that cannot be met together are refused") {
  CHECK(refusal({{"align", 512}, {"max-transfer", 1024}}).empty());
  CHECK(refusal({{"align", 3}}) == "blkdebug-align");
  CHECK(refusal({{"align", -512}}) == "blkdebug-align");
  CHECK(refusal({{"align", 1 << 30}}).empty());
  CHECK(refusal({{"align", 512}, {"max-transfer", 513}}) == "blkdebug-limit");
  CHECK(refusal({{"align", 512}, {"opt-write-zero", 256}}) == "blkdebug-limit");
  CHECK(refusal({{"opt-write-zero", 15 << 20}, {"max-write-zero", 15 << 20}}).empty());
  CHECK(refusal({{"opt-write-zero", 4096}, {"max-write-zero", 512}}) == "blkdebug-limit");
  CHECK(refusal({{"opt-discard", 4096}, {"max-discard", 6144}}) == "blkdebug-limit");
  CHECK(refusal({{"max-discard", -1}}) == "blkdebug-limit");
  CHECK(refusal({{"max-transfer", 2147483647}}) == "blkdebug-limit");
  CHECK(refusal({{"max-transfer", 2147483646}}).empty());
}

TEST_CASE("TDRV-6: the child's alignment counts, too") {
  DebugNode debug;
  debug.child.driver->own_limits.request_alignment = 512;
  REQUIRE(debug.world.run(debug.child.node->refresh()).ok());
  set_limits(debug, {{"max-transfer", 100}});
  CHECK(debug.open().error == -EINVAL);
  CHECK(debug.report.kind == "blkdebug-limit");
}

TEST_CASE("TDRV-6: what breaks the limits gets EIO and is counted, and the node breaks none") {
  DebugNode debug;
  set_limits(debug, {{"align", 512},
                     {"max-transfer", 4096},
                     {"opt-write-zero", 4096},
                     {"max-write-zero", 8192},
                     {"opt-discard", 4096},
                     {"max-discard", 8192}});
  debug.opened();
  CHECK(debug.read(100, 20000) == 0);
  CHECK(debug.write(100, 20000) == 0);
  CHECK(debug.zero(100, 30000) == 0);
  CHECK(debug.discard(100, 30000) == 0);
  CHECK(debug.status(100, 30000) == 0);
  CHECK(debug.ask("violations") == 0);
  const auto direct = [&](blk::aio::Task<Status> request) {
    return debug.world.run(std::move(request)).error;
  };
  BlkdebugDriver& driver = *debug.driver;
  CHECK(direct(driver.preadv(100, 512, debug.view(512), 0)) == -EIO);
  CHECK(direct(driver.preadv(0, 8192, debug.view(8192), 0)) == -EIO);
  CHECK(direct(driver.pwritev(0, 100, debug.view(100), 0)) == -EIO);
  CHECK(direct(driver.pwritev(0, 4608, debug.view(4608), 0)) == -EIO);
  CHECK(direct(driver.pwrite_zeroes(512, 4096, 0)) == -EIO);
  CHECK(direct(driver.pwrite_zeroes(0, 12288, 0)) == -EIO);
  CHECK(direct(driver.pdiscard(512, 4096)) == -EIO);
  CHECK(direct(driver.pdiscard(0, 12288)) == -EIO);
  CHECK(direct(driver.pdiscard(512, 1024)) == 0);
  CHECK(debug.ask("violations") == 8);
  CHECK(debug.world.run(driver.block_status(true, 1, 512)).error == -EIO);
  CHECK(debug.ask("violations") == 9);
}

TEST_CASE("TDRV-7: small zero-writes and discards are not supported") {
  DebugNode debug;
  set_limits(debug, {{"align", 512}, {"opt-write-zero", 4096}});
  debug.opened();
  BlkdebugDriver& driver = *debug.driver;
  CHECK(debug.world.run(driver.pwrite_zeroes(0, 2048, 0)).error == -ENOTSUP);
  CHECK(debug.world.run(driver.pdiscard(0, 256)).error == -ENOTSUP);
  CHECK(debug.child.take_calls().empty());
  // Below the preferred size zeroes are written; below the alignment nothing is discarded.
  CHECK(debug.zero(2048, 8192) == 0);
  CHECK(debug.child.take_calls() == Calls{"write 2048+2048", "zero 4096+4096", "write 8192+2048"});
  CHECK(debug.zero(2048, 512, kRequestNoFallback) == -ENOTSUP);
  CHECK(debug.discard(100, 512) == 0);
  CHECK(debug.discard(100, 1000) == 0);
  CHECK(debug.child.take_calls() == Calls{"discard 512+512"});
}

TEST_CASE("TDRV-8: a breakpoint stops one request, which goes on by its tag") {
  DebugNode debug;
  set_limits(debug, {{"align", 512}});
  debug.opened();
  CHECK(debug.ask("break", "pwritev:a:b") == 0);
  CHECK(debug.ask("break", "nothing:a") == -EINVAL);
  std::vector<Started<Status>> writes;
  for (int i = 0; i < 2; ++i) {
    writes.push_back(
        debug.world.start(debug.node->pwritev(debug.edge, 512 * i, 512, debug.view(512), 0)));
  }
  CHECK(!writes[0].done());
  CHECK(writes[1].done());
  CHECK(debug.ask("suspended", "a:b") == 1);
  CHECK(debug.ask("suspended", "a") == 0);
  CHECK(debug.ask("resume", "a") == -ENOENT);
  CHECK(debug.ask("resume", "a:b") == 0);
  CHECK(writes[0].value().ok());
  CHECK(debug.ask("resume", "a:b") == -ENOENT);
}

TEST_CASE("TDRV-8: removing a breakpoint lets go of whoever waits there") {
  DebugNode debug;
  debug.opened();
  for (int i = 0; i < 3; ++i) {
    CHECK(debug.ask("break", i < 2 ? "pwritev:t" : "none:t") == 0);
  }
  // One that meets two breakpoints waits for one after the other.
  auto write = debug.world.start(debug.node->pwritev(debug.edge, 0, 512, debug.view(512), 0));
  CHECK(debug.ask("resume", "t") == 0);
  CHECK(debug.ask("suspended", "t") == 1);
  CHECK(!write.done());
  CHECK(debug.ask("remove-break", "t") == 1);
  CHECK(write.value().ok());
  CHECK(debug.ask("remove-break", "t") == -ENOENT);
  CHECK(debug.ask("break", "pwritev:t") == 0);
  CHECK(debug.ask("remove-break", "t") == 0);
  CHECK(debug.write(0) == 0);
  CHECK(debug.ask("other") == -ENOTSUP);
}

TEST_CASE("TDRV-10: each step of a write is told in order") {
  DebugNode debug(
      "set-state pwritev_rmw_head 1 2\nset-state pwritev_rmw_after_head 2 3\n"
      "set-state pwritev_rmw_tail 3 4\nset-state pwritev_rmw_after_tail 4 5\n"
      "set-state pwritev 5 6\nset-state pwritev_done 6 7\nset-state pwritev_zero 7 8");
  set_limits(debug, {{"align", 4096}});
  debug.opened();
  CHECK(debug.write(100, 12288) == 0);
  CHECK(debug.ask("state") == 7);
  CHECK(debug.ask("events", "pwritev_zero") == 0);
  CHECK(debug.zero(100, 12288) == 0);
  CHECK(debug.ask("state") == 8);
  CHECK(debug.ask("events", "pwritev_rmw_head") == 2);
  CHECK(debug.ask("events", "pwritev") == 3);
  CHECK(debug.ask("events", "pwritev_zero") == 1);
  CHECK(debug.ask("events", "pwritev_done") == 4);
  CHECK(debug.ask("events", "none") == 1);
  CHECK(debug.ask("events", "nothing") == -EINVAL);
}

TEST_CASE("TDRV-10: where both ends come with one read, their events come around it") {
  DebugNode debug(
      "set-state pwritev_rmw_head 1 2\nset-state pwritev_rmw_tail 2 3\n"
      "set-state pwritev_rmw_after_head 3 4\nset-state pwritev_rmw_after_tail 4 5");
  set_limits(debug, {{"align", 4096}});
  debug.opened();
  CHECK(debug.write(100, 100) == 0);
  CHECK(debug.ask("state") == 5);
  CHECK(debug.write(0, 100) == 0);
  CHECK(debug.ask("events", "pwritev_rmw_head") == 1);
  CHECK(debug.ask("events", "pwritev_rmw_tail") == 2);
  CHECK(debug.write(100, 4096 - 100) == 0);
  CHECK(debug.ask("events", "pwritev_rmw_head") == 2);
  CHECK(debug.ask("events", "pwritev_rmw_tail") == 2);
}

TEST_CASE("blkdebug: rules that are none are refused") {
  for (const char* rules :
       {"inject-error", "inject-error none 0 1 5 -1 0", "inject-error none 0 1 5 -1 0 0 0",
        "set-state none 1", "set-state nothing 1 2", "set-state none 1 x", "other none 1 2",
        "inject-error none -2 1 5 -1 0 0", "inject-error none 0 1 5 9223372036854775807 0 0"}) {
    DebugNode debug(rules);
    CHECK(debug.open().error == -EINVAL);
    CHECK(debug.report.kind == "option-invalid");
  }
}
