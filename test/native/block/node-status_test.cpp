#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

constexpr std::int64_t kKiB = 1024;

/// Says of every range what `answer` says, for at most `alike` bytes.
class StatusDriver final : public ScriptedDriver {
 public:
  BlockStatus answer = BlockStatus::data_at(0, 0);
  std::int64_t alike = INT64_MAX;
  bool protocol = false;
  bool with_backing = false;
  blk::aio::WaitQueue held;
  bool holds = false;
  World* world = nullptr;

  blk::aio::Task<BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                           std::int64_t bytes) override {
    calls.push_back(call_name(want_zero ? "status" : "allocated", offset, bytes));
    BlockStatus status = answer;
    status.offset = offset;
    status.bytes = std::min(bytes, alike);
    if (holds) {
      co_await held.wait();
    }
    co_return status;
  }
  bool is_protocol() const override { return protocol; }
  bool supports_backing() const override { return with_backing; }
  bool has_efficient_zero_write() const override { return true; }
  blk::aio::Task<Status> make_empty() override {
    calls.emplace_back("make-empty");
    return Status();
  }
};

/// A node over a driver of the test's, with an edge that holds every permission.
struct Layer {
  StatusDriver* driver = new StatusDriver;
  std::shared_ptr<Node> node;
  Edge edge;

  Layer(World& world, std::uint32_t id, std::int64_t size, std::uint32_t alignment = 1) {
    driver->size = size;
    driver->own_limits.request_alignment = alignment;
    NodeOptions options;
    options.id = id;
    options.state.discard_unmap = true;
    node = std::make_shared<Node>(world.context, options, std::unique_ptr<Driver>(driver), world);
    edge = {0, node, kChildData | kChildPrimary, kPermAll, kPermAll};
    ErrorReport report;
    REQUIRE(world.run(node->open({}, report)).ok());
  }
  void set_backing(const Layer& below) {
    Edge backing{1, below.node, kChildCow, kPermConsistentRead, kPermAll};
    node->add_child(std::make_unique<Edge>(backing));
  }
  /// Nothing here: what is below shows.
  void unallocated() {
    driver->answer = BlockStatus();
    driver->with_backing = true;
  }
  Calls take_calls() { return std::exchange(driver->calls, {}); }
};

BlockStatus ask(World& world, Layer& layer, std::int64_t offset, std::int64_t bytes,
                bool want_zero = true) {
  return world.run(layer.node->block_status(want_zero, offset, bytes));
}

BlockStatus ask_above(World& world, Layer& layer, BlockStatusQuery query) {
  return world.run(layer.node->block_status_above(query));
}

BlockStatusQuery range(std::int64_t offset, std::int64_t bytes, std::uint32_t base = 0) {
  BlockStatusQuery query;
  query.want_zero = false;
  query.base = base;
  query.offset = offset;
  query.bytes = bytes;
  return query;
}

}  // namespace

TEST_CASE("BST-1: past the end there is nothing, and no answer crosses it") {
  World world;
  Layer layer(world, 1, 64 * kKiB);
  for (const std::int64_t offset : {64 * kKiB, 64 * kKiB + 1, kMaxLength - 4096}) {
    const BlockStatus past = ask(world, layer, offset, 4096);
    CHECK(past.bytes == 0);
    CHECK(past.end_of_file);
    CHECK_FALSE(past.allocated);
  }
  const BlockStatus nothing = ask(world, layer, 4096, 0);
  CHECK(nothing.bytes == 0);
  CHECK_FALSE(nothing.end_of_file);
  CHECK(layer.take_calls().empty());
  const BlockStatus inside = ask(world, layer, 4096, 4096);
  CHECK(inside.bytes == 4096);
  CHECK_FALSE(inside.end_of_file);
  const BlockStatus reaching = ask(world, layer, 60 * kKiB, 1 << 20);
  CHECK(reaching.bytes == 4096);
  CHECK(reaching.end_of_file);
  CHECK(ask(world, layer, -1, 4096).error == -EIO);
  CHECK(ask(world, layer, 0, -1).error == -EIO);
}

TEST_CASE("BST-2: without support everything is data, and of a protocol at the same place") {
  World world;
  class Plain final : public ScriptedDriver {
   public:
    bool protocol = false;
    bool is_protocol() const override { return protocol; }
  };
  for (const bool protocol : {false, true}) {
    auto driver = std::make_unique<Plain>();
    driver->size = 64 * kKiB;
    driver->protocol = protocol;
    NodeOptions options;
    options.id = 7;
    Node node(world.context, options, std::move(driver), world);
    ErrorReport report;
    REQUIRE(world.run(node.open({}, report)).ok());
    const BlockStatus status = world.run(node.block_status(true, 4096, 8192));
    CHECK(status.data);
    CHECK(status.allocated);
    CHECK_FALSE(status.zero);
    CHECK(status.bytes == 8192);
    CHECK(status.offset_valid == protocol);
    CHECK(status.node == (protocol ? 7U : 0U));
    CHECK((!protocol || status.offset == 4096));
  }
}

TEST_CASE("BST-3: what no layer holds is zero: without a backing file, and past a shorter one") {
  World world;
  Layer top(world, 1, 64 * kKiB);
  top.unallocated();
  const BlockStatus alone = ask(world, top, 0, 4096, false);
  CHECK(alone.zero);
  CHECK_FALSE(alone.allocated);
  top.driver->with_backing = false;
  CHECK_FALSE(ask(world, top, 0, 4096).zero);  // a format without backing files says nothing
  top.driver->with_backing = true;
  Layer below(world, 2, 32 * kKiB);
  top.set_backing(below);
  CHECK_FALSE(ask(world, top, 0, 4096).zero);
  CHECK(ask(world, top, 32 * kKiB, 4096).zero);
  CHECK_FALSE(ask(world, top, 32 * kKiB, 4096, false).zero);
  CHECK_FALSE(ask(world, top, 28 * kKiB, 8192).zero);
}

TEST_CASE("BST-4: queries are widened to the alignment and answers cut back") {
  World world;
  Layer layer(world, 1, 64 * kKiB, 4096);
  layer.driver->protocol = false;
  layer.driver->answer.data = true;
  const BlockStatus status = ask(world, layer, 5000, 100);
  CHECK(layer.take_calls() == Calls{"status 4096+4096"});
  CHECK(status.bytes == 100);
  CHECK(status.offset == 5000);
  layer.driver->alike = 4096;
  const BlockStatus part = ask(world, layer, 5000, 10000);
  CHECK(layer.take_calls() == Calls{"status 4096+12288"});
  CHECK(part.bytes == 3192);
}

TEST_CASE("BST-5: allocated is what this layer says of data and of zeroes") {
  World world;
  Layer top(world, 1, 64 * kKiB);
  CHECK(ask(world, top, 0, 4096, false).allocated);
  top.driver->answer = BlockStatus();
  top.driver->answer.zero = top.driver->answer.allocated = true;
  CHECK(ask(world, top, 0, 4096, false).allocated);
  CHECK(top.take_calls() == Calls{"allocated 0+4096", "allocated 0+4096"});
}

TEST_CASE("BST-5: above a base, the depth of the first layer that has it; 0 for none") {
  World world;
  Layer base(world, 3, 64 * kKiB);
  Layer middle(world, 2, 64 * kKiB);
  Layer top(world, 1, 64 * kKiB);
  top.set_backing(middle);
  middle.set_backing(base);
  top.unallocated();
  middle.unallocated();
  BlockStatus status = ask_above(world, top, range(0, 8192));
  CHECK(status.allocated);
  CHECK(status.depth == 3);
  CHECK_FALSE(ask_above(world, top, range(0, 8192, 3)).allocated);
  BlockStatusQuery with_base = range(0, 8192, 3);
  with_base.include_base = true;
  CHECK(ask_above(world, top, with_base).depth == 3);
  middle.driver->answer = BlockStatus::data_at(0, 0);
  CHECK(ask_above(world, top, range(0, 8192)).depth == 2);
  top.driver->answer = BlockStatus::data_at(0, 0);
  CHECK(ask_above(world, top, range(0, 8192)).depth == 1);
  const BlockStatus itself = ask_above(world, top, range(0, 8192, 1));
  CHECK(itself.bytes == 8192);
  CHECK_FALSE(itself.allocated);
  CHECK(ask_above(world, top, range(0, 8192, 99)).error == -EINVAL);
}

TEST_CASE("BST-5: each layer is asked only for what all above said the same of") {
  World world;
  Layer base(world, 2, 16 * kKiB);
  Layer top(world, 1, 64 * kKiB);
  top.set_backing(base);
  top.unallocated();
  top.driver->alike = 8192;
  base.driver->alike = 4096;
  const BlockStatus status = ask_above(world, top, range(0, 32 * kKiB));
  CHECK(base.take_calls() == Calls{"allocated 0+8192"});
  CHECK(status.bytes == 4096);
  CHECK_FALSE(status.end_of_file);
  // Past the end of a shorter layer the zeroes are its word, and that end is not the end of the
  // disk.
  const BlockStatus past = ask_above(world, top, range(16 * kKiB, 4096));
  CHECK(past.depth == 2);
  CHECK(past.zero);
  CHECK(past.allocated);
  CHECK_FALSE(past.end_of_file);
  CHECK(ask_above(world, top, range(60 * kKiB, 8192)).end_of_file);
}

TEST_CASE("BST-8: one data range per protocol node answers until something may be gone") {
  World world;
  Layer file(world, 1, 64 * kKiB);
  file.driver->protocol = true;
  file.driver->alike = 16 * kKiB;
  const auto asks = [&](std::int64_t offset, bool want_zero = true) {
    ask(world, file, offset, 32 * kKiB, want_zero);
    return !file.take_calls().empty();
  };
  CHECK(asks(0));  // 16 KiB are known now
  CHECK_FALSE(asks(4096));
  CHECK(ask(world, file, 4096, 32 * kKiB).bytes == 12 * kKiB);
  CHECK_FALSE(asks(12 * kKiB, false));
  CHECK(asks(16 * kKiB));  // only one range is remembered
  CHECK(asks(0));
  SUBCASE("a zero-write beside it changes nothing, one that overlaps forgets all") {
    CHECK(world.run(file.node->pwrite_zeroes(file.edge, 16 * kKiB, 4096, 0)).ok());
    file.take_calls();
    CHECK_FALSE(asks(0));
    CHECK(world.run(file.node->pwrite_zeroes(file.edge, 12 * kKiB, 8192, 0)).ok());
    file.take_calls();
    CHECK(asks(0));
  }
  SUBCASE("so do discards") {
    CHECK(world.run(file.node->pdiscard(file.edge, 0, 512)).ok());
    file.take_calls();
    CHECK(asks(4096));
  }
  SUBCASE("and resizes") {
    ErrorReport report;
    TruncateRequest request;
    request.size = 32 * kKiB;
    CHECK(world.run(file.node->truncate(file.edge, request, report)).ok());
    file.take_calls();
    CHECK(asks(0));
  }
}

TEST_CASE("BST-8: answers without want-zero, of holes, and of formats are not remembered") {
  World world;
  Layer file(world, 1, 64 * kKiB);
  file.driver->protocol = true;
  const auto calls_of_two = [&](bool want_zero) {
    ask(world, file, 0, 4096, want_zero);
    ask(world, file, 0, 4096, want_zero);
    return file.take_calls().size();
  };
  CHECK(calls_of_two(false) == 2);
  file.driver->answer.data = false;
  file.driver->answer.zero = true;
  CHECK(calls_of_two(true) == 2);
  file.driver->answer = BlockStatus::data_at(0, 0);
  file.driver->protocol = false;
  CHECK(calls_of_two(true) == 2);
  file.driver->protocol = true;
  CHECK(calls_of_two(true) == 1);
}

TEST_CASE("ZERO-14: an answer that a zero-write overtook is not remembered") {
  World world;
  Layer file(world, 1, 64 * kKiB);
  file.driver->protocol = true;
  file.driver->holds = true;
  const auto before = world.start(file.node->block_status(true, 0, 4096));
  CHECK_FALSE(before.done());
  CHECK(world.run(file.node->pwrite_zeroes(file.edge, 0, 4096, 0)).ok());
  file.driver->holds = false;
  file.driver->held.wake_all(world.context);
  world.settle_down();
  CHECK(before.value().data);
  file.take_calls();
  ask(world, file, 0, 4096);
  CHECK(file.take_calls() == Calls{"status 0+4096"});
}

TEST_CASE("BST-11: what the driver says is not allocated, is not; zero bytes are nothing") {
  World world;
  Layer layer(world, 1, 64 * kKiB);
  layer.driver->answer = BlockStatus();
  CHECK_FALSE(ask(world, layer, 0, 4096, false).allocated);
  layer.driver->answer = BlockStatus::data_at(0, 0);
  CHECK(ask(world, layer, 0, 4096, false).allocated);
  CHECK_FALSE(ask(world, layer, 0, 0, false).allocated);
  CHECK_FALSE(ask(world, layer, 64 * kKiB, 4096, false).allocated);
}

TEST_CASE("ZERO-12: make-zero skips what reads as zeros already, in steps of 2147483136 bytes") {
  World world;
  constexpr std::int64_t kSize = 5LL << 30;
  Layer layer(world, 1, kSize);
  layer.driver->zero_flags = kRequestMayUnmap | kRequestFua;
  layer.driver->write_flags = kRequestFua;
  CHECK(world.run(layer.node->make_zero(layer.edge, kRequestMayUnmap | kRequestFua)).ok());
  CHECK(layer.take_calls() ==
        Calls{"status 0+2147483136", "zero 0+2147483136 fua unmap", "status 2147483136+2147483136",
              "zero 2147483136+2147483136 fua unmap", "status 4294966272+1073742848",
              "zero 4294966272+1073742848 fua unmap"});
  layer.driver->answer.zero = true;
  CHECK(world.run(layer.node->make_zero(layer.edge, 0)).ok());
  CHECK(layer.take_calls() == Calls{"status 0+2147483136", "status 2147483136+2147483136",
                                    "status 4294966272+1073742848"});
  CHECK(layer.node->in_flight() == 0);
}

TEST_CASE("ZERO-12: the first error ends make-zero") {
  World world;
  Layer layer(world, 1, 64 * kKiB);
  layer.driver->alike = 16 * kKiB;
  layer.driver->errors["zero 16384"] = -ENOSPC;
  const Status status = world.run(layer.node->make_zero(layer.edge, 0));
  CHECK(status.error == -ENOSPC);
  CHECK(status.node == 1);
  CHECK(layer.take_calls().back() == "zero 16384+16384");
  layer.driver->answer.error = -EIO;
  CHECK(world.run(layer.node->make_zero(layer.edge, 0)).error == -EIO);
}

TEST_CASE("ZERO-3: may-unmap is dropped one level down unless the node has discard=unmap") {
  World world;
  Layer layer(world, 1, 64 * kKiB);
  layer.driver->zero_flags = kRequestMayUnmap;
  const auto zeroed = [&](bool through_a_parent, bool unmap) {
    NodeState state;
    state.discard_unmap = unmap;
    layer.node->set_state(state);
    if (through_a_parent) {
      world.run(pwrite_zeroes_to_child(layer.edge, 0, 4096, kRequestMayUnmap));
    } else {
      world.run(layer.node->pwrite_zeroes(layer.edge, 0, 4096, kRequestMayUnmap));
    }
    return layer.take_calls();
  };
  CHECK(zeroed(true, false) == Calls{"zero 0+4096"});
  CHECK(zeroed(true, true) == Calls{"zero 0+4096 unmap"});
  CHECK(zeroed(false, false) == Calls{"zero 0+4096 unmap"});
}

TEST_CASE("MISC-18: make-empty needs write or write-unchanged, and a driver that can") {
  World world;
  Layer layer(world, 1, 64 * kKiB);
  const auto emptied = [&](Permissions permissions) {
    Edge edge = layer.edge;
    edge.permissions = permissions;
    return world.run(layer.node->make_empty(edge)).error;
  };
  CHECK(emptied(kPermWrite) == 0);
  CHECK(emptied(kPermWriteUnchanged) == 0);
  CHECK(layer.take_calls() == Calls{"make-empty", "make-empty"});
  CHECK(emptied(kPermAll & ~(kPermWrite | kPermWriteUnchanged)) == -EPERM);
  CHECK(layer.take_calls().empty());
  TestNode plain(world, 65536);
  CHECK(world.run(plain.node->make_empty(plain.edge)).error == -ENOTSUP);
}
