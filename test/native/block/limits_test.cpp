#include "block/limits.hpp"

#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// What opening a node over such a driver gives.
int opened_with(std::uint32_t alignment) {
  World world;
  auto driver = std::make_unique<ScriptedDriver>();
  driver->own_limits.request_alignment = alignment;
  NodeOptions options;
  options.id = 1;
  Node node(world.context, options, std::move(driver), world);
  ErrorReport report;
  return world.run(node.open({}, report)).error;
}

}  // namespace

TEST_CASE("TRK-16: an alignment is a power of two, at most 2^30") {
  CHECK(opened_with(1) == 0);
  CHECK(opened_with(1U << 30) == 0);
  CHECK(opened_with(1U << 31) == -EINVAL);
  CHECK(opened_with(513) == -EINVAL);
  CHECK(opened_with(0) == -EINVAL);
}

TEST_CASE("TRK-18: alignments merge by maximum, transfer and vector limits by the smallest set") {
  Limits parent;
  parent.request_alignment = 512;
  parent.memory_alignment = 512;
  parent.max_transfer = 0;
  parent.max_iov = 1024;
  Limits child;
  child.request_alignment = 4096;
  child.memory_alignment = 1;
  child.max_transfer = 65536;
  child.max_iov = 16;
  merge_limits(parent, child);
  CHECK(parent.request_alignment == 4096);
  CHECK(parent.memory_alignment == 512);
  CHECK(parent.max_transfer == 65536);
  CHECK(parent.max_iov == 16);
  child.max_transfer = 1 << 20;
  child.max_iov = 0;
  merge_limits(parent, child);
  CHECK(parent.max_transfer == 65536);
  CHECK(parent.max_iov == 16);
}

TEST_CASE("TRK-18: only data, filtered and backing children count") {
  for (const auto& [role, alignment] : {std::pair<ChildRole, std::uint32_t>{kChildData, 4096},
                                        {kChildFiltered, 4096},
                                        {kChildCow, 4096},
                                        {kChildMetadata, 1}}) {
    CAPTURE(role);
    World world;
    TestNode node(world, 65536);
    TestNode child(world, 65536,
                   [](ScriptedDriver& driver) { driver.own_limits.request_alignment = 4096; });
    auto edge = std::make_unique<Edge>(child.edge);
    edge->role = role;
    node.node->add_child(std::move(edge));
    CHECK(world.run(node.node->refresh()).ok());
    CHECK(node.node->limits().request_alignment == alignment);
    CHECK(node.node->limits().memory_alignment == 512);
    CHECK(node.node->limits().max_iov == 1024);
  }
}

TEST_CASE("TRK-17: a driver that asks for no alignment gets single bytes") {
  World world;
  TestNode node(world, 65536);
  CHECK(node.node->limits().request_alignment == 1);
  CHECK(node.write(1, "w").ok());
  CHECK(node.take_calls() == Calls{"write 1+1"});
}

TEST_CASE("TRK-17: a driver that has sectors only gets whole ones") {
  World world;
  TestNode node(world, 65536, [](ScriptedDriver& driver) { driver.sectors_only = true; });
  CHECK(node.node->limits().request_alignment == 512);
  CHECK(node.write(1, "w").ok());
  CHECK(node.take_calls() == Calls{"read 0+512", "write 0+512"});
  TestNode larger(world, 65536, [](ScriptedDriver& driver) {
    driver.sectors_only = true;
    driver.own_limits.request_alignment = 4096;
  });
  CHECK(larger.node->limits().request_alignment == 4096);
}
