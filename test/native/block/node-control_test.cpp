// Flush generations and truncate.
#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// A node with children of its own.
struct Family {
  World world;
  TestNode parent{world, 65536};
  TestNode writable{world, 65536, named(2)};
  TestNode unchanged{world, 65536, named(3)};
  TestNode readable{world, 65536, named(4)};

  static NodeOptions named(std::uint32_t id) {
    NodeOptions options;
    options.id = id;
    return options;
  }
  Family() {
    adopt(writable, kPermWrite);
    adopt(unchanged, kPermWriteUnchanged);
    adopt(readable, kPermConsistentRead);
    for (TestNode* child : {&writable, &unchanged, &readable}) {
      child->write(0, "dirty");
      child->take_calls();
    }
  }
  void adopt(TestNode& child, Permissions permissions) {
    auto edge = std::make_unique<Edge>(child.edge);
    edge->permissions = permissions;
    parent.node->add_child(std::move(edge));
  }
};

}  // namespace

TEST_CASE("FLUSH-1: a node that is read-only or has nothing inserted flushes nothing") {
  World world;
  TestNode node(world, 65536);
  node.write(0, "w");
  node.take_calls();
  node.driver->inserted = false;
  CHECK(node.flush().ok());
  CHECK(node.take_calls().empty());
  node.driver->inserted = true;
  CHECK(node.flush().ok());
  CHECK(node.take_calls() == Calls{"flush"});
  NodeOptions options;
  options.state.read_only = true;
  TestNode sealed(world, 65536, options);
  CHECK(sealed.flush().ok());
  CHECK(sealed.take_calls().empty());
}

TEST_CASE("FLUSH-2: one flush at a time, the others in order") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "flush";
  std::vector<Started<Status>> flushes;
  for (int i = 0; i < 4; ++i) {
    node.write(0, "w");
    flushes.push_back(node.start_flush());
  }
  node.take_calls();
  for (std::size_t running = 0; running < flushes.size(); ++running) {
    CHECK(node.driver->calls.empty());
    for (std::size_t i = 0; i < flushes.size(); ++i) {
      CHECK(flushes[i].done() == (i < running));
    }
    node.driver->release_one();
    world.settle_down();
    CHECK(flushes[running].value().ok());
    CHECK(node.take_calls() == (running == 3 ? Calls{} : Calls{"flush"}));
  }
}

TEST_CASE("FLUSH-3: without a write since the last flush the disk is left alone") {
  Family family;
  TestNode& node = family.parent;
  CHECK(node.flush().ok());  // nothing was ever written here, but below
  CHECK(node.take_calls().empty());
  CHECK(family.writable.take_calls() == Calls{"flush"});
  node.write(0, "w");
  family.writable.write(0, "w");
  CHECK(node.flush().ok());
  CHECK(node.flush().ok());
  CHECK(node.take_calls() == Calls{"write 0+1", "flush"});
  CHECK(family.writable.take_calls() == Calls{"write 0+1", "flush"});
}

TEST_CASE("FLUSH-4: a flush promises what had been written when it was asked for, and no more") {
  World world;
  TestNode node(world, 65536);
  node.write(0, "1");
  node.driver->hold = "flush";
  auto first = node.start_flush();
  auto covered = node.start_flush();
  node.write(0, "2");
  node.driver->release();
  world.settle_down();
  CHECK(first.value().ok());
  CHECK(covered.value().ok());  // free: the same generation
  CHECK(node.take_calls() == Calls{"write 0+1", "flush", "write 0+1"});
  CHECK(node.flush().ok());  // the second write is still to be flushed
  CHECK(node.take_calls() == Calls{"flush"});
}

TEST_CASE("FLUSH-5: after a failed flush the next one tries again") {
  World world;
  TestNode node(world, 65536);
  node.write(0, "w");
  node.driver->errors["flush"] = -EIO;
  CHECK(node.flush().error == -EIO);
  CHECK(node.flush().error == -EIO);
  node.driver->errors.clear();
  CHECK(node.flush().ok());
  CHECK(node.flush().ok());
  CHECK(node.take_calls() == Calls{"write 0+1", "flush", "flush", "flush"});
}

TEST_CASE("FLUSH-6: with cache.no-flush the disk is left alone and children are visited") {
  World world;
  NodeOptions options;
  options.state.no_flush = true;
  TestNode node(world, 65536, options);
  TestNode child(world, 65536, Family::named(2));
  node.node->add_child(std::make_unique<Edge>(child.edge));
  node.write(0, "w");
  child.write(0, "w");
  CHECK(node.flush().ok());
  CHECK(node.take_calls() == Calls{"write 0+1"});
  CHECK(child.take_calls() == Calls{"write 0+1", "flush"});
}

TEST_CASE("FLUSH-7: every child that is written is flushed, and the first error wins") {
  Family family;
  CHECK(family.parent.flush().ok());
  CHECK(family.writable.take_calls() == Calls{"flush"});
  CHECK(family.unchanged.take_calls() == Calls{"flush"});
  CHECK(family.readable.take_calls().empty());
  family.writable.write(0, "w");
  family.unchanged.write(0, "w");
  family.writable.driver->errors["flush"] = -EIO;
  family.unchanged.driver->errors["flush"] = -ENOSPC;
  const Status status = family.parent.flush();
  CHECK(status.error == -EIO);
  CHECK(status.node == 2);
  CHECK(family.unchanged.take_calls() == Calls{"write 0+1", "flush"});
}

TEST_CASE("TRUNC-3: writes into the area that a truncate adds wait for it, and it for them") {
  World world;
  TestNode node(world, 4096);
  ErrorReport report;
  TruncateRequest request;
  request.size = 8192;
  node.driver->hold = "truncate";
  auto truncate = world.start(node.node->truncate(node.edge, request, report));
  auto inside = node.start_write(4096, std::string(512, 'w'));
  auto before = node.start_write(3584, std::string(512, 'w'));
  CHECK(node.take_calls() == Calls{"truncate 8192", "write 3584+512"});
  node.driver->release();
  world.settle_down();
  CHECK(truncate.value().ok());
  CHECK(inside.value().ok());
  CHECK(before.value().ok());
  CHECK(node.take_calls() == Calls{"write 4096+512"});

  node.driver->hold = "write";
  auto write = node.start_write(8192, std::string(512, 'w'));  // grows by itself
  request.size = 16384;
  truncate = world.start(node.node->truncate(node.edge, request, report));
  CHECK(node.take_calls() == Calls{"write 8192+512"});
  node.driver->release();
  world.settle_down();
  CHECK(write.value().ok());
  CHECK(truncate.value().ok());
  CHECK(node.take_calls() == Calls{"truncate 16384"});
}

TEST_CASE("TRUNC-4: success updates the length and tells of it, even of the same length") {
  World world;
  TestNode node(world, 4096);
  ErrorReport report;
  TruncateRequest request;
  request.size = 8192;
  CHECK(world.run(node.node->truncate(node.edge, request, report)).ok());
  CHECK(node.node->length() == 8192);
  CHECK(world.resized == std::vector<std::uint32_t>{1});
  CHECK(world.run(node.node->truncate(node.edge, request, report)).ok());
  CHECK(world.resized == std::vector<std::uint32_t>{1, 1});
  node.driver->errors["truncate"] = -EFBIG;
  request.size = 1 << 20;
  CHECK(world.run(node.node->truncate(node.edge, request, report)).error == -EFBIG);
  CHECK(node.node->length() == 8192);
  CHECK(world.resized.size() == 2);
}
