// Copies between nodes: checks, tracking, zero-writes.
#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

CopyRange between(TestNode& source, std::int64_t from, TestNode& target, std::int64_t to,
                  std::int64_t bytes) {
  return {&source.edge, from, &target.edge, to, bytes, 0};
}

/// Two nodes of 64 KiB, ids 1 and 2.
struct Pair {
  World world;
  TestNode source{world, 65536, named(1)};
  TestNode target{world, 65536, named(2)};

  static NodeOptions named(std::uint32_t id) {
    NodeOptions options;
    options.id = id;
    return options;
  }
  Started<Status> start(const CopyRange& copy) {
    return world.start(copy.source->node->copy_range_from(copy));
  }
  Status run(const CopyRange& copy) { return start(copy).value(); }
};

}  // namespace

TEST_CASE("COPY-2: the target's range is checked before the source's") {
  Pair pair;
  const Status both = pair.run(between(pair.source, -1, pair.target, -1, 512));
  CHECK(both.error == -EIO);
  CHECK(both.node == 2);
  const Status second = pair.run(between(pair.source, -1, pair.target, 0, 512));
  CHECK(second.error == -EIO);
  CHECK(second.node == 1);
  const Status large = pair.run(between(pair.source, 0, pair.target, 0, kMaxTransfer + 1));
  CHECK(large.error == -EIO);
  CHECK(pair.source.take_calls().empty());
}

TEST_CASE("COPY-2: with the zero-write flag the target is zeroed and the source left alone") {
  Pair pair;
  CopyRange copy = between(pair.source, -1, pair.target, 4096, 8192);
  copy.flags = kRequestZeroWrite;
  CHECK(pair.run(copy).ok());
  CHECK(pair.source.take_calls().empty());
  CHECK(pair.target.take_calls() == Calls{"zero 4096+8192"});
}

TEST_CASE("COPY-3: a copy from or to an encrypted node is ENOTSUP, and nothing is written") {
  for (const bool is_source : {true, false}) {
    Pair pair;
    (is_source ? pair.source : pair.target).driver->encrypted = true;
    CHECK(pair.run(between(pair.source, 0, pair.target, 0, 512)).error == -ENOTSUP);
    CHECK(pair.source.take_calls().empty());
    CHECK(pair.target.take_calls().empty());
  }
}

TEST_CASE("COPY-5: a copy to a read-only node, or without permission, is refused") {
  Pair pair;
  pair.target.edge.permissions &= ~kPermWrite;
  CHECK(pair.run(between(pair.source, 0, pair.target, 0, 512)).error == -EPERM);
  CHECK(pair.target.take_calls().empty());
}

TEST_CASE("COPY-6: the source is tracked as a read, which waits for serialising writers") {
  Pair pair;
  pair.source.driver->hold = "write";
  auto writer = pair.source.start_write(0, std::string(512, 'w'), kRequestSerialising);
  auto copy = pair.start(between(pair.source, 256, pair.target, 0, 512));
  auto apart = pair.start(between(pair.source, 512, pair.target, 512, 512));
  CHECK_FALSE(copy.done());
  CHECK(apart.done());
  CHECK(pair.source.node->in_flight() == 2);
  pair.source.driver->release();
  pair.world.settle_down();
  CHECK(writer.done());
  CHECK(copy.value().ok());
  CHECK(pair.target.take_calls() == Calls{"to 512+512", "to 0+512"});
}

TEST_CASE("COPY-6: the target is tracked as a write, for which serialising writers wait") {
  Pair pair;
  pair.target.driver->hold = "to";
  auto copy = pair.start(between(pair.source, 0, pair.target, 4096, 512));
  auto writer = pair.target.start_write(4096, std::string(512, 'w'), kRequestSerialising);
  CHECK_FALSE(writer.done());
  pair.target.driver->release();
  pair.world.settle_down();
  CHECK(copy.value().ok());
  CHECK(writer.value().ok());
  CHECK(pair.target.node->highest_written_offset() == 4608);
  CHECK(pair.target.flush().ok());
  CHECK(pair.target.take_calls() == Calls{"to 4096+512", "write 4096+512", "flush"});
}

TEST_CASE("COPY-8: source and target in one node do not wait for each other") {
  Pair pair;
  CHECK(pair.run(between(pair.source, 0, pair.source, 100, 512)).ok());
  CHECK(pair.source.take_calls() == Calls{"from 0+512", "to 100+512"});
  CHECK(pair.source.node->in_flight() == 0);
}
