#include "drivers/probe.hpp"

#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;
using blk::drivers::ProbeDriver;

constexpr std::int64_t kCluster = blk::drivers::ProbeStore::kClusterBytes;

/// An x-probe node of four clusters, over a scripted child when there is a role for it.
struct ProbeNode {
  World world;
  TestNode child;
  ProbeDriver* driver = new ProbeDriver;
  std::shared_ptr<Node> node =
      std::make_shared<Node>(world.context, named(), std::unique_ptr<Driver>(driver), world);
  Edge edge{0, node, kChildData, kPermAll, kPermAll};
  std::string data = std::string(2 * kCluster, 'w');
  iovec iov{data.data(), data.size()};
  ErrorReport report;

  static NodeOptions named() {
    NodeOptions options;
    options.id = 9;
    options.state.discard_unmap = true;
    return options;
  }
  explicit ProbeNode(ChildRole role = 0) : child(world, 2 * kCluster, named()) {
    if (role != 0) {
      auto link = std::make_unique<Edge>(child.edge);
      link->role = role;
      node->add_child(std::move(link));
    }
  }
  Status open(Options options = {}) {
    if (!options.has("size")) {
      options.set("size", 4 * kCluster);
    }
    return world.run(node->open(options, report));
  }
  Status write(std::int64_t offset, std::int64_t bytes) {
    return world.run(node->pwritev(edge, offset, bytes, IoView(&iov, 1), 0));
  }
  std::string read(std::int64_t offset, std::size_t bytes) {
    std::string text(bytes, '?');
    const iovec target{text.data(), text.size()};
    const auto length = static_cast<std::int64_t>(bytes);
    Status status = world.run(node->preadv(edge, offset, length, IoView(&target, 1), 0));
    return status.ok() ? text : "error " + std::to_string(status.error);
  }
  std::int64_t ask(const std::string& command, const std::string& argument = {}) {
    return driver->control(command, argument);
  }
  Status commit() {
    node->quiesce_begin();
    Status status = world.run(node->commit());
    node->quiesce_end();
    return status;
  }
};

std::string zeroes(std::size_t bytes) { return std::string(bytes, '\0'); }

}  // namespace

TEST_CASE("x-probe: with a primary child everything is passed on") {
  ProbeNode probe(kChildFiltered | kChildPrimary);
  REQUIRE(probe.open().ok());
  CHECK(probe.node->length() == 2 * kCluster);
  CHECK(probe.write(512, 1024).ok());
  CHECK(probe.read(512, 4) == "wwww");
  CHECK(probe.world.run(probe.node->pdiscard(probe.edge, 0, 512)).ok());
  CHECK(probe.child.take_calls() == Calls{"write 512+1024", "read 512+4", "discard 0+512"});
  CHECK(probe.ask("calls", "pwrite") == 1);
  CHECK(probe.ask("calls", "pread") == 1);
  CHECK(probe.ask("calls", "pdiscard") == 1);
  CHECK(probe.ask("calls", "open") == 1);
  CHECK(probe.ask("calls", "nothing") == -EINVAL);
  CHECK(probe.world.run(probe.node->commit()).error == -EBUSY);
  CHECK(probe.commit().error == -ENOTSUP);
}

TEST_CASE("GRAPH-30: a node that is ejected gives ENOMEDIUM to whoever stands on it") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.read(0, 2) == "dd");
  probe.child.node->eject();
  CHECK(probe.read(0, 2) == "error " + std::to_string(-ENOMEDIUM));
  CHECK(probe.node->is_inserted());
  probe.node->eject();
  CHECK(!probe.node->is_inserted());
  CHECK(probe.write(0, 2).error == -ENOMEDIUM);
  CHECK(probe.world.run(probe.node->pdiscard(probe.edge, 0, 512)).error == -ENOMEDIUM);
  CHECK(probe.world.run(probe.node->pwrite_zeroes(probe.edge, 0, 512, 0)).error == -ENOMEDIUM);
  CHECK(probe.world.run(probe.node->allocated_size()) == -ENOMEDIUM);
  CHECK(probe.world.run(probe.node->flush()).ok());
}

TEST_CASE("GRAPH-32: no zeroes at first where a backing file shows through") {
  ProbeNode over(kChildCow);
  REQUIRE(over.open().ok());
  CHECK(!over.node->has_zero_init());
  ProbeNode alone;
  REQUIRE(alone.open().ok());
  CHECK(alone.node->has_zero_init());
}

TEST_CASE("x-probe: unallocated clusters show the backing file, and zeroes beyond its end") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.read(2 * kCluster - 2, 4) == std::string("dd\0\0", 4));
  CHECK(probe.write(10, 2).ok());
  CHECK(probe.read(8, 6) == "ddwwdd");
  CHECK(probe.ask("allocated") == 1);
  CHECK(probe.write(2 * kCluster - 1, 2).ok());
  CHECK(probe.read(2 * kCluster - 2, 4) == std::string("dww\0", 4));
  CHECK(probe.ask("allocated") == 3);
  for (const std::string& call : probe.child.take_calls()) {
    CHECK(call.starts_with("read"));
  }
}

TEST_CASE("x-probe: a whole cluster is written without reading the backing file") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.write(0, kCluster).ok());
  CHECK(probe.child.take_calls().empty());
}

TEST_CASE("x-probe: block status tells what is allocated") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.write(kCluster, kCluster).ok());
  CHECK(probe.world.run(probe.node->pwrite_zeroes(probe.edge, 0, kCluster, 0)).ok());
  const auto status = [&probe](std::int64_t offset) {
    return probe.world.run(probe.node->block_status(true, offset, 4 * kCluster));
  };
  CHECK(status(0).allocated);
  CHECK(status(0).zero);
  CHECK(status(0).bytes == kCluster);
  CHECK(status(kCluster).data);
  CHECK_FALSE(status(2 * kCluster).allocated);
  CHECK(status(2 * kCluster).zero);  // the backing file is shorter
  CHECK(status(2 * kCluster).bytes == 2 * kCluster);
}

TEST_CASE("x-probe: zero-writes and discards hide the backing file") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.world.run(probe.node->pwrite_zeroes(probe.edge, 4, 4, 0)).ok());
  CHECK(probe.read(2, 8) == std::string("dd\0\0\0\0dd", 8));
  CHECK(probe.world.run(probe.node->pdiscard(probe.edge, 0, 2 * kCluster)).ok());
  CHECK(probe.read(0, 2 * kCluster) == zeroes(2 * kCluster));
  CHECK(probe.ask("allocated") == 2);
  CHECK(probe.world.run(probe.driver->allocated_size()) == 0);
}

TEST_CASE("x-probe: zero-writes where nothing shows through cost no memory, however long") {
  ProbeNode probe;
  Options options;
  options.set("size", std::int64_t{1} << 60);
  REQUIRE(probe.open(options).ok());
  CHECK(probe.write(0, 2 * kCluster).ok());
  CHECK(probe.world.run(probe.node->pwrite_zeroes(probe.edge, 2, (1LL << 60) - 2, 0)).ok());
  CHECK(probe.read(0, 4) == std::string("ww\0\0", 4));
  CHECK(probe.ask("allocated") == 1);
}

TEST_CASE("x-probe: what a truncate adds reads as zeroes, also over a longer backing file") {
  ProbeNode probe(kChildCow);
  Options options;
  options.set("size", kCluster / 2);
  REQUIRE(probe.open(options).ok());
  TruncateRequest request;
  request.size = 2 * kCluster;
  CHECK(probe.world.run(probe.node->truncate(probe.edge, request, probe.report)).ok());
  CHECK(probe.node->length() == 2 * kCluster);
  CHECK(probe.read(kCluster / 2 - 1, 3) == std::string("d\0\0", 3));
  CHECK(probe.read(kCluster, kCluster) == zeroes(kCluster));
}

TEST_CASE("x-probe: a write that waits for the backing file keeps what came meanwhile") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  probe.child.driver->hold = "read";
  auto first = probe.world.start(probe.node->pwritev(probe.edge, 0, 2, IoView(&probe.iov, 1), 0));
  auto second = probe.world.start(probe.node->pwritev(probe.edge, 8, 2, IoView(&probe.iov, 1), 0));
  CHECK_FALSE(first.done());
  CHECK_FALSE(second.done());
  probe.child.driver->release();
  probe.world.settle_down();
  CHECK(first.value().ok());
  CHECK(second.value().ok());
  CHECK(probe.read(0, 12) == "wwddddddwwdd");
}

TEST_CASE("x-probe: commit writes what is allocated into the backing file and forgets it") {
  ProbeNode probe(kChildCow);
  REQUIRE(probe.open().ok());
  CHECK(probe.write(kCluster, kCluster).ok());
  CHECK(probe.world.run(probe.node->pwrite_zeroes(probe.edge, 0, kCluster, 0)).ok());
  CHECK(probe.write(4 * kCluster - 1, 1).ok());
  probe.child.take_calls();
  probe.child.driver->errors["write"] = -ENOSPC;
  CHECK(probe.commit().error == -ENOSPC);
  CHECK(probe.ask("allocated") == 3);
  probe.child.driver->errors.clear();
  probe.child.take_calls();
  CHECK(probe.commit().ok());
  CHECK(probe.child.take_calls() ==
        Calls{"zero 0+65536", "write 65536+65536", "write 196608+65536", "flush"});
  CHECK(probe.child.node->length() == 4 * kCluster);
  CHECK(probe.child.stored(kCluster, 2) == "ww");
  CHECK(probe.ask("allocated") == 0);
  CHECK(probe.ask("calls", "commit") == 2);
}

TEST_CASE("x-probe: held requests run in order when their tag is released") {
  ProbeNode probe;
  REQUIRE(probe.open().ok());
  CHECK(probe.ask("hold", "pwrite:a:b") == 0);
  CHECK(probe.ask("hold", "close:x") == -EINVAL);
  auto first = probe.world.start(probe.node->pwritev(probe.edge, 0, 4, IoView(&probe.iov, 1), 0));
  probe.data.assign(4, 'x');
  const iovec other{probe.data.data(), 4};
  auto second = probe.world.start(probe.node->pwritev(probe.edge, 0, 4, IoView(&other, 1), 0));
  CHECK(probe.read(0, 1) == std::string(1, '\0'));
  CHECK(probe.ask("held", "a:b") == 2);
  CHECK(probe.ask("held", "other") == 0);
  CHECK(probe.node->in_flight() == 2);
  CHECK(probe.ask("release", "other") == 0);
  CHECK(probe.ask("release", "a:b") == 2);
  probe.world.settle_down();
  CHECK(first.done());
  CHECK(second.done());
  CHECK(probe.read(0, 4) == "xxxx");
  CHECK(probe.ask("held", "a:b") == 0);
  CHECK(probe.write(0, 4).ok());
}

TEST_CASE("x-probe: planned failures are used up one by one") {
  ProbeNode probe;
  Options options;
  options.set("fail", std::string("pread:28:2,inactivate:5"));
  REQUIRE(probe.open(options).ok());
  CHECK(probe.read(0, 4) == "error -28");
  CHECK(probe.read(0, 4) == "error -28");
  CHECK(probe.read(0, 4) == zeroes(4));
  CHECK(probe.world.run(probe.node->inactivate()).error == -EIO);
  CHECK(probe.world.run(probe.node->inactivate()).ok());
  CHECK(probe.ask("fail", "checkPermissions:1:1") == 0);
  CHECK(probe.driver->check_permissions(kPermWrite, kPermResize, probe.report) == -EPERM);
  CHECK(probe.driver->check_permissions(kPermWrite, kPermResize, probe.report) == 0);
  CHECK(probe.ask("permissions") == kPermWrite);
  CHECK(probe.ask("shared") == kPermResize);
  for (const char* wrong : {"", "pread", "pread:", "pread:0", "pread:5:", "pread:5:x", "close:5",
                            "pread:5:-1", "pread:99999999999999999999"}) {
    CAPTURE(wrong);
    CHECK((probe.ask("fail", wrong) == -EINVAL) == (std::string(wrong) != "pread:5:"));
  }
}

TEST_CASE("x-probe: an open that is told to fail leaves nothing open") {
  ProbeNode probe;
  Options options;
  options.set("fail", std::string("open:13"));
  CHECK(probe.open(options).error == -EACCES);
  CHECK(probe.ask("calls", "close") == 0);
}

TEST_CASE("x-probe: impossible limits are refused") {
  ProbeNode probe;
  REQUIRE(probe.open().ok());
  for (const char* wrong : {"request-alignment:0", "request-alignment:3", "memory-alignment:-512",
                            "max-iov:0", "max-transfer:-1", "nothing:1", "max-transfer:", ""}) {
    CAPTURE(wrong);
    CHECK(probe.ask("limit", wrong) == -EINVAL);
  }
  CHECK(probe.ask("limit", "request-alignment:4096") == 0);
  CHECK(probe.node->limits().request_alignment == 1);
  CHECK(probe.world.run(probe.node->refresh()).ok());
  CHECK(probe.node->limits().request_alignment == 4096);
  ProbeNode other;
  Options options;
  options.set("request-alignment", std::int64_t{100});
  CHECK(other.open(options).error == -EINVAL);
  CHECK(other.report.kind == "option-invalid");
}

TEST_CASE("x-probe: a reopen takes effect when it is committed") {
  ProbeNode probe;
  REQUIRE(probe.open().ok());
  CHECK(probe.write(kCluster, kCluster).ok());
  ReopenRequest request;
  request.options.set("size", kCluster);
  request.options.set("note", std::string("seven b"));
  CHECK(probe.world.run(probe.driver->reopen_prepare(request, probe.report)).ok());
  probe.driver->reopen_abort();
  CHECK(probe.world.run(probe.driver->length()) == 4 * kCluster);
  CHECK(probe.world.run(probe.driver->reopen_prepare(request, probe.report)).ok());
  probe.driver->reopen_commit();
  CHECK(probe.world.run(probe.driver->length()) == kCluster);
  CHECK(probe.ask("allocated") == 0);
  CHECK(probe.ask("text-length", "note") == 7);
  CHECK(probe.ask("text-bytes", "note:6") == 'b');
  CHECK(probe.ask("text-bytes", "note:700") == 0);
  CHECK(probe.ask("text-bytes", "note:-1") == -EINVAL);
  CHECK(probe.ask("text-length", "secret") == -EINVAL);
  request.options.set("size", std::int64_t{-1});
  CHECK(probe.world.run(probe.driver->reopen_prepare(request, probe.report)).error == -EINVAL);
}

TEST_CASE("x-probe: the header is set, read and counted") {
  ProbeNode probe;
  Options options;
  options.set("backing-filename", std::string("old"));
  REQUIRE(probe.open(options).ok());
  CHECK(probe.ask("text-length", "header") == 3);
  CHECK(probe.ask("header-updates") == 0);
  CHECK(probe.ask("set-header", "a:b") == 1);
  CHECK(probe.ask("text-bytes", "header:0") == ('a' | ':' << 8 | 'b' << 16));
  CHECK(probe.ask("unknown") == -ENOTSUP);
}

TEST_CASE("x-probe: memory of variable length is asked each time") {
  ProbeNode probe;
  Options options;
  options.set("variable-length", true);
  REQUIRE(probe.open(options).ok());
  CHECK(probe.ask("size", "4096") == 0);
  CHECK(probe.ask("size", "-1") == -EINVAL);
  CHECK(probe.node->has_variable_length());
  CHECK(probe.world.run(probe.node->current_length()) == 4096);
}

TEST_CASE("x-probe: it follows its children and its context") {
  ProbeNode probe;
  REQUIRE(probe.open().ok());
  CHECK(probe.write(0, 4).ok());
  auto link = std::make_unique<Edge>(probe.child.edge);
  link->key = 7;
  link->role = kChildCow;
  probe.node->add_child(std::move(link));
  probe.driver->children_changed(*probe.node);
  CHECK(probe.read(kCluster, 2) == "dd");
  probe.node->remove_child(7);
  probe.driver->children_changed(*probe.node);
  CHECK(probe.read(kCluster, 2) == zeroes(2));
  CHECK(probe.ask("calls", "childrenChanged") == 2);
  World elsewhere;
  probe.node->leave_context();
  probe.node->enter_context(elsewhere.context);
  CHECK(probe.ask("calls", "detachContext") == 1);
  CHECK(probe.ask("calls", "attachContext") == 1);
  CHECK(probe.ask("hold", "pread:gate") == 0);
  std::string text(2, '?');
  const iovec target{text.data(), text.size()};
  auto read = elsewhere.start(probe.node->preadv(probe.edge, 0, 2, IoView(&target, 1), 0));
  CHECK(probe.ask("release", "gate") == 1);
  elsewhere.settle_down();
  CHECK(read.value().ok());
  CHECK(text == "ww");
}
