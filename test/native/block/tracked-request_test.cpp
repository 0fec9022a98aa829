#include "block/tracked-request.hpp"

#include <cerrno>
#include <functional>
#include <random>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

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
