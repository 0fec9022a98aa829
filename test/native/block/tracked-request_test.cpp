#include "block/tracked-request.hpp"

#include <cerrno>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;
using blk::aio::Task;

auto aligned(std::uint32_t request) {
  return [=](ScriptedDriver& driver) { driver.own_limits.request_alignment = request; };
}

}  // namespace

TEST_CASE(
    "TRK-1: reads, writes, zeroes, discards and truncates are registered until they are done") {
  struct Kind {
    const char* hold;
    std::function<Started<Status>(TestNode&)> start;
  };
  iovec iov{};
  std::string read_into(512, '?');
  iov = {read_into.data(), read_into.size()};
  ErrorReport report;
  TruncateRequest grown;
  grown.size = 131072;
  const std::vector<Kind> kinds{
      {"read",
       [&](TestNode& at) {
         return at.world.start(at.node->preadv(at.edge, 4096 + 100, 512, IoView(&iov, 1), 0));
       }},
      {"write", [](TestNode& at) { return at.start_write(4096, std::string(4096, 'w')); }},
      {"zero",
       [](TestNode& at) { return at.world.start(at.node->pwrite_zeroes(at.edge, 4096, 4096, 0)); }},
      {"discard",
       [](TestNode& at) { return at.world.start(at.node->pdiscard(at.edge, 4096, 4096)); }},
      {"truncate",
       [&](TestNode& at) { return at.world.start(at.node->truncate(at.edge, grown, report)); }},
  };
  for (const Kind& kind : kinds) {
    CAPTURE(kind.hold);
    World world;
    NodeOptions options;
    options.state.discard_unmap = true;
    TestNode node(world, 65536, options, [](ScriptedDriver& driver) {
      driver.own_limits.request_alignment = 4096;
      driver.can_discard = true;
      driver.efficient_zeroes = true;
    });
    node.driver->hold = kind.hold;
    auto first = kind.start(node);
    CHECK_FALSE(first.done());
    CHECK(node.take_calls().size() == 1);
    // The range of the read is its whole block, so one that touches only the block's end waits.
    const bool grows = std::string(kind.hold) == "truncate";
    auto waits =
        node.start_write(grows ? 65536 : 8191 - 511, std::string(512, 's'), kRequestSerialising);
    CHECK_FALSE(waits.done());
    CHECK(node.take_calls().empty());
    node.driver->release();
    world.settle_down();
    CHECK(first.value().ok());
    CHECK(waits.done());
    // It is registered no more.
    CHECK(node.write(grows ? 65536 : 4096, std::string(4096, 'n'),
                     kRequestSerialising | kRequestNoWait)
              .ok());
  }
}

TEST_CASE("TRK-8: without a serialising request nobody waits, however much overlaps") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write";
  std::vector<Started<Status>> writes;
  for (int i = 0; i < 100; ++i) {
    writes.push_back(node.start_write(i, std::string(4096, 'a')));
    CHECK(node.take_calls().size() == 1);
  }
  node.driver->release();
  world.settle_down();
  for (const auto& write : writes) {
    CHECK(write.value().ok());
  }
}

TEST_CASE("TRK-2: overlapping plain writes run beside each other, a serialising one alone") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write";
  auto first = node.start_write(0, std::string(4096, 'a'));
  auto second = node.start_write(0, std::string(4096, 'b'));
  CHECK(node.take_calls() == Calls{"write 0+4096", "write 0+4096"});
  auto alone = node.start_write(0, std::string(4096, 'c'), kRequestSerialising);
  CHECK(node.take_calls().empty());
  node.driver->release();
  world.settle_down();
  CHECK(first.value().ok());
  CHECK(second.value().ok());
  CHECK(alone.value().ok());
  CHECK(node.stored(0, 4096) == std::string(4096, 'c'));
}

TEST_CASE("TRK-3: ranges that touch do not overlap") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write";
  auto first = node.start_write(0, std::string(4096, 'a'), kRequestSerialising);
  auto second = node.start_write(4096, std::string(4096, 'b'), kRequestSerialising);
  CHECK(node.take_calls() == Calls{"write 0+4096", "write 4096+4096"});
  auto third = node.start_write(4095, std::string(2, 'c'));
  CHECK(node.take_calls().empty());
  node.driver->release();
  world.settle_down();
  CHECK(third.value().ok());
  CHECK(node.stored(4095, 2) == "cc");
}

TEST_CASE("TRK-5: who waits is waited for by nobody, so a chain of overlaps ends") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write";
  std::vector<Started<Status>> writes;
  for (std::int64_t offset = 0; offset < 4096; offset += 512) {
    writes.push_back(node.start_write(offset, std::string(1024, 'w'), kRequestSerialising));
  }
  // Every second one overlaps only requests that wait.
  CHECK(node.take_calls() ==
        Calls{"write 0+1024", "write 1024+1024", "write 2048+1024", "write 3072+1024"});
  node.driver->release_one();
  world.settle_down();
  CHECK(node.take_calls().empty());  // 512 waited for 0, and now waits for 1024
  node.driver->release();
  world.settle_down();
  for (const auto& write : writes) {
    CHECK(write.value().ok());
  }
  CHECK(node.take_calls().size() == 4);
}

namespace {

/// Requests of every kind, each of 4096 bytes in the block at 4096; a truncate adds that at 65536.
struct Nestable {
  std::string data = std::string(4096, 'n');
  iovec iov{data.data(), data.size()};
  ErrorReport report;

  std::map<std::string, std::function<Task<Status>(TestNode&)>> kinds{
      {"read",
       [this](TestNode& at) { return at.node->preadv(at.edge, 4096, 4096, IoView(&iov, 1), 0); }},
      {"write",
       [this](TestNode& at) { return at.node->pwritev(at.edge, 4096, 4096, IoView(&iov, 1), 0); }},
      {"zero", [](TestNode& at) { return at.node->pwrite_zeroes(at.edge, 4096, 4096, 0); }},
      {"discard", [](TestNode& at) { return at.node->pdiscard(at.edge, 4096, 4096); }},
      {"truncate",
       [this](TestNode& at) {
         TruncateRequest grown;
         grown.size = 65536 + 4096;
         return at.node->truncate(at.edge, grown, report);
       }},
  };

  Task<Status> serialising_write(TestNode& at, std::int64_t offset) {
    return at.node->pwritev(at.edge, offset, 4096, IoView(&iov, 1), kRequestSerialising);
  }
};

}  // namespace

TEST_CASE("TRK-6: a request that would wait for the one that it is inside of is EDEADLK") {
  Nestable nestable;
  for (const auto& [kind, outer] : nestable.kinds) {
    CAPTURE(kind);
    World world;
    NodeOptions options;
    options.state.discard_unmap = true;
    TestNode node(world, 65536, options, aligned(4096));
    const std::int64_t offset = kind == "truncate" ? 65536 : 4096;
    node.driver->inside = [&] { return nestable.serialising_write(node, offset); };
    auto started = world.start(outer(node));
    REQUIRE(started.done());  // it did not wait for itself
    CHECK(started.value().error == -EDEADLK);
    CHECK(started.value().node == node.node->id());
    CHECK(node.take_calls().size() == 1);  // nothing of the inner request came to the driver
    CHECK(node.stored(4096, 4096) == std::string(4096, 'd'));
    // Both have left the tracker.
    CHECK(node.write(offset, nestable.data, kRequestSerialising | kRequestNoWait).ok());
  }
}

TEST_CASE("TRK-6: inside of a serialising request every kind of request is EDEADLK") {
  Nestable nestable;
  for (const auto& [kind, inner] : nestable.kinds) {
    CAPTURE(kind);
    World world;
    NodeOptions options;
    options.state.discard_unmap = true;
    TestNode node(world, 65536, options, aligned(4096));
    // Longer than the node, so that it covers the area of the truncate as well.
    node.driver->inside = [&] { return inner(node); };
    auto started = node.start_write(4096, std::string(65536, 's'), kRequestSerialising);
    REQUIRE(started.done());
    CHECK(started.value().error == -EDEADLK);
    CHECK(node.stored(4096, 4096) == std::string(4096, 'd'));
  }
}

TEST_CASE("TRK-6: a request finds itself through other nodes, too") {
  Nestable nestable;
  World world;
  TestNode above(world, 65536);
  TestNode below(world, 65536, NodeOptions{.name = "below", .id = 2, .state = {}});
  above.driver->inside = [&] { return nestable.kinds["write"](below); };
  below.driver->inside = [&] { return nestable.serialising_write(above, 0); };
  auto started = above.start_write(0, std::string(512, 'a'));
  REQUIRE(started.done());
  CHECK(started.value().error == -EDEADLK);
  CHECK(started.value().node == above.node->id());
}

TEST_CASE("TRK-6: inner requests that need not wait for the outer one run") {
  Nestable nestable;
  World world;
  TestNode node(world, 65536);
  node.driver->inside = [&] { return nestable.kinds["write"](node); };  // nobody is serialising
  CHECK(node.write(4096, std::string(512, 'o')).ok());
  CHECK(node.stored(4096, 4096) == std::string(512, 'o') + std::string(3584, 'n'));
  node.driver->inside = [&] { return nestable.serialising_write(node, 0); };  // they only touch
  CHECK(node.write(4096, std::string(512, 'p'), kRequestSerialising).ok());
  CHECK(node.stored(0, 4097) == std::string(4096, 'n') + "p");
}

TEST_CASE("TRK-6: an inner request waits for strangers, and strangers for the outer one") {
  Nestable nestable;
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write 4096+512";
  auto stranger = node.start_write(4096, std::string(512, 's'));
  node.driver->inside = [&] { return nestable.serialising_write(node, 4096); };
  auto outer = node.start_write(0, std::string(512, 'o'), kRequestSerialising);
  auto late = node.start_write(0, std::string(512, 'l'), kRequestSerialising);
  CHECK_FALSE(stranger.done());
  CHECK_FALSE(outer.done());
  CHECK_FALSE(late.done());
  CHECK(node.take_calls() == Calls{"write 4096+512", "write 0+512"});
  node.driver->release();
  world.settle_down();
  CHECK(stranger.value().ok());
  CHECK(outer.value().ok());
  CHECK(late.value().ok());
  CHECK(node.take_calls() == Calls{"write 4096+4096", "write 0+512"});
  CHECK(node.stored(0, 512) == std::string(512, 'l'));
  CHECK(node.stored(4096, 512) == std::string(512, 'n'));
}

TEST_CASE("TRK-7: a no-wait serialising write that would wait is EBUSY") {
  World world;
  TestNode node(world, 65536);
  node.driver->hold = "write";
  auto first = node.start_write(0, std::string(4096, 'a'));
  constexpr RequestFlags kNow = kRequestSerialising | kRequestNoWait;
  CHECK(node.write(4095, "x", kNow).error == -EBUSY);
  auto beside = node.start_write(4096, "y", kNow);
  CHECK(node.take_calls() == Calls{"write 0+4096", "write 4096+1"});
  node.driver->release();
  world.settle_down();
  CHECK(first.value().ok());
  CHECK(beside.value().ok());
}

TEST_CASE("TRK-14: many small writers of one block lose no byte, whatever the order") {
  const auto seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    World world;
    TestNode node(world, 65536, aligned(4096));
    node.driver->hold = round % 2 == 0 ? "read" : "write";
    // The last two span two blocks each.
    std::vector<std::size_t> offsets{0, 512, 1024, 1536, 2048, 2560, 3072, 3584, 7680};
    std::shuffle(offsets.begin(), offsets.end(), random);
    std::string expected(65536, 'd');
    std::vector<Started<Status>> writes;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const std::string data(offsets[i] < 3584 ? 512 : 1024, static_cast<char>('A' + i));
      expected.replace(offsets[i], data.size(), data);
      writes.push_back(node.start_write(static_cast<std::int64_t>(offsets[i]), data));
    }
    while (!std::all_of(writes.begin(), writes.end(), [](auto& w) { return w.done(); })) {
      node.driver->release_one();
      world.settle_down();
    }
    CHECK(node.stored(0, 65536) == expected);
  }
}
