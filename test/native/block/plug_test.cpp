// Plugs go down a graph, and move with its edges.
#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// A node whose driver writes its plugs into a journal.
TestNode journalled(World& world, Calls& journal, const char* label) {
  return {world, 65536, [&](ScriptedDriver& driver) {
            driver.journal = &journal;
            driver.label = label;
          }};
}

void put_above(TestNode& parent, const TestNode& child, std::uint32_t key) {
  Edge edge = child.edge;
  edge.key = key;
  parent.node->add_child(std::make_unique<Edge>(edge));
}

}  // namespace

TEST_CASE("PLUG-1: children are plugged first, and a driver hears of the first plug alone") {
  World world;
  Calls journal;
  TestNode top = journalled(world, journal, "top");
  TestNode left = journalled(world, journal, "left");
  TestNode right = journalled(world, journal, "right");
  put_above(top, left, 1);
  put_above(top, right, 2);
  top.node->plug();
  CHECK(journal == Calls{"left plug", "right plug", "top plug"});
  top.node->plug();
  left.node->plug();
  CHECK(journal.size() == 3);
}

TEST_CASE("PLUG-1: plugging a backend without a medium does nothing but count") {
  World world;
  Calls journal;
  Backend backend(world.context, world);
  backend.plug();
  backend.plug();
  TestNode node = journalled(world, journal, "node");
  backend.set_root(node.edge);
  CHECK(journal == Calls{"node plug"});
  backend.unplug();
  CHECK(journal.size() == 1);
  backend.unplug();
  CHECK(journal == Calls{"node plug", "node unplug"});
}

TEST_CASE("PLUG-2: the driver hears of the last unplug, then its children do") {
  World world;
  Calls journal;
  TestNode top = journalled(world, journal, "top");
  TestNode below = journalled(world, journal, "below");
  put_above(top, below, 1);
  top.node->plug();
  top.node->plug();
  journal.clear();
  top.node->unplug();
  CHECK(journal.empty());
  top.node->unplug();
  CHECK(journal == Calls{"top unplug", "below unplug"});
}

TEST_CASE("PLUG-2: plugs follow the backend to another medium, none stays behind") {
  World world;
  Calls journal;
  TestNode first = journalled(world, journal, "first");
  TestNode second = journalled(world, journal, "second");
  Backend backend(world.context, world);
  backend.set_root(first.edge);
  backend.plug();
  backend.plug();
  backend.set_root(second.edge);
  CHECK(journal == Calls{"first plug", "second plug", "first unplug"});
  backend.set_root(Edge());
  CHECK(journal.back() == "second unplug");
  backend.unplug();
  backend.unplug();
  CHECK(journal.size() == 4);
}

TEST_CASE("PLUG-2: plugs of a node follow an edge that leads to another child") {
  World world;
  Calls journal;
  TestNode top = journalled(world, journal, "top");
  TestNode before = journalled(world, journal, "before");
  TestNode after = journalled(world, journal, "after");
  put_above(top, before, 1);
  top.node->plug();
  journal.clear();
  top.node->move_plugs(before.node.get(), after.node.get());
  *top.node->child(1) = after.edge;
  CHECK(journal == Calls{"after plug", "before unplug"});
  top.node->unplug();
  CHECK(journal == Calls{"after plug", "before unplug", "top unplug", "after unplug"});
}
