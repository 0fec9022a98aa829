// Zero-writes and discards: which pieces reach the driver.
#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

constexpr std::int64_t kMiB = 1 << 20;

/// A driver with `request` alignment that zeroes by itself.
auto aligned(std::uint32_t request, std::uint32_t zero = 0, std::int64_t max_zero = 0) {
  return [=](ScriptedDriver& driver) {
    driver.own_limits.request_alignment = request;
    driver.own_limits.write_zeroes_alignment = zero;
    driver.own_limits.max_write_zeroes = max_zero;
    driver.zero_flags = kRequestMayUnmap | kRequestNoFallback;
  };
}

auto discarding(std::uint32_t request, std::uint32_t preferred, std::int64_t max = 0) {
  return [=](ScriptedDriver& driver) {
    driver.own_limits.request_alignment = request;
    driver.own_limits.discard_alignment = preferred;
    driver.own_limits.max_discard = max;
  };
}

NodeOptions unmapping() {
  NodeOptions options;
  options.state.discard_unmap = true;
  return options;
}

}  // namespace

TEST_CASE("ZERO-2: a no-fallback zero-write fails where it would have to be slow") {
  World world;
  TestNode node(world, 64 * 1024, aligned(4096));
  CHECK(node.zero(4095, 4096, kRequestNoFallback).error == -ENOTSUP);
  CHECK(node.zero(4096, 4095, kRequestNoFallback).error == -ENOTSUP);
  CHECK(node.take_calls().empty());
  CHECK(node.zero(4096, 4096, kRequestNoFallback).ok());
  CHECK(node.take_calls() == Calls{"zero 4096+4096 no-fallback"});
  // The driver finds out only now that it cannot.
  node.driver->errors["zero"] = -ENOTSUP;
  CHECK(node.zero(4096, 4096, kRequestNoFallback).error == -ENOTSUP);
  CHECK(node.take_calls() == Calls{"zero 4096+4096 no-fallback"});
  node.driver->errors.clear();
  node.driver->zero_flags = 0;
  CHECK(node.zero(4096, 4096, kRequestNoFallback).error == -ENOTSUP);
  CHECK(node.take_calls().empty());
}

TEST_CASE("ZERO-4: without the driver's help zeroes are written, at most 16 MiB at once") {
  World world;
  TestNode node(world, 64 * kMiB);
  node.driver->errors["zero"] = -ENOTSUP;
  CHECK(node.zero(0, 40 * kMiB).ok());
  CHECK(node.take_calls() == Calls{"zero 0+41943040", "write 0+16777216", "zero 16777216+25165824",
                                   "write 16777216+16777216", "zero 33554432+8388608",
                                   "write 33554432+8388608"});
  CHECK(node.stored(0, kMiB) == std::string(kMiB, '\0'));
}

TEST_CASE("ZERO-4: a smaller max_transfer bounds the bounce buffer, other errors are returned") {
  World world;
  TestNode node(world, 64 * 1024, [](ScriptedDriver& driver) {
    driver.own_limits.max_transfer = 4096;
    driver.errors["zero"] = -ENOTSUP;
  });
  CHECK(node.zero(0, 6000).ok());
  CHECK(node.take_calls() ==
        Calls{"zero 0+6000", "write 0+4096", "zero 4096+1904", "write 4096+1904"});
  node.driver->errors["zero"] = -EIO;
  CHECK(node.zero(0, 6000).error == -EIO);
  CHECK(node.take_calls() == Calls{"zero 0+6000"});
}

TEST_CASE("ZERO-5: a misaligned head or tail is a piece that crosses no boundary") {
  World world;
  TestNode node(world, 64 * 1024, aligned(512, 4096));
  CHECK(node.zero(512, 15872).ok());  // 512 .. 16384
  CHECK(node.take_calls() == Calls{"zero 512+3584", "zero 4096+12288"});
  CHECK(node.zero(4096, 9216).ok());  // 4096 .. 13312
  CHECK(node.take_calls() == Calls{"zero 4096+8192", "zero 12288+1024"});
  CHECK(node.zero(512, 1024).ok());  // inside one block
  CHECK(node.take_calls() == Calls{"zero 512+1024"});
  CHECK(node.zero(3584, 1024).ok());  // across a boundary, no whole block
  CHECK(node.take_calls() == Calls{"zero 3584+512", "zero 4096+512"});
}

TEST_CASE("ZERO-6: 32M..64M with alignment and maximum of 15 MiB") {
  World world;
  TestNode node(world, 64 * kMiB, aligned(512, 15 * kMiB, 15 * kMiB));
  CHECK(node.zero(32 * kMiB, 32 * kMiB).ok());
  CHECK(node.take_calls() ==
        Calls{"zero 33554432+13631488", "zero 47185920+15728640", "zero 62914560+4194304"});
}

TEST_CASE("ZERO-7: 10000 bytes at 1000 with a preferred alignment of 4096") {
  World world;
  TestNode node(world, 64 * 1024, aligned(1, 4096));
  CHECK(node.zero(1000, 10000).ok());
  CHECK(node.take_calls() == Calls{"zero 1000+3096", "zero 4096+4096", "zero 8192+2808"});
}

TEST_CASE("ZERO-9: partial blocks are read, changed and written, whole ones zeroed") {
  for (const std::uint32_t align : {512U, 4096U}) {
    CAPTURE(align);
    World world;
    TestNode node(world, 65536, aligned(align));
    const std::int64_t block = align;
    CHECK(node.zero(block - 100, 3 * block + 200 - block).ok());
    CHECK(node.take_calls() ==
          Calls{call_name("read", 0, block), call_name("read", 3 * block, block),
                call_name("write", 0, block), call_name("zero", block, 2 * block),
                call_name("write", 3 * block, block)});
    std::string expected(65536, 'd');
    std::fill_n(expected.begin() + block - 100, 2 * block + 200, '\0');
    CHECK(node.stored(0, 65536) == expected);
  }
}

TEST_CASE("ZERO-9: an overlapping write waits for a misaligned zero-write") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  node.driver->hold = "read";
  auto zero = world.start(node.node->pwrite_zeroes(node.edge, 100, 8192, 0));
  auto write = node.start_write(8192, std::string(4096, 'w'));
  CHECK(node.take_calls() == Calls{"read 0+4096"});
  auto beside = node.start_write(12288, std::string(4096, 'w'));
  CHECK(beside.done());
  node.driver->release();
  world.settle_down();
  CHECK(zero.value().ok());
  CHECK(write.value().ok());
  CHECK(node.stored(8192, 4096) == std::string(4096, 'w'));
}

TEST_CASE("ZERO-9: when a neighbour cannot be read, nothing is written") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  node.driver->errors["read 8192"] = -EIO;
  CHECK(node.zero(100, 8192).error == -EIO);
  CHECK(node.take_calls() == Calls{"read 0+4096", "read 8192+4096"});
  CHECK(node.stored(0, 65536) == std::string(65536, 'd'));
}

TEST_CASE("ZERO-10: a small misaligned zero-write is one read and one write") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  CHECK(node.zero(4196, 100).ok());
  CHECK(node.take_calls() == Calls{"read 4096+4096", "write 4096+4096"});
  CHECK(node.stored(4196, 100) == std::string(100, '\0'));
  CHECK(node.stored(0, 4196) == std::string(4196, 'd'));
  CHECK(node.stored(4296, 4096) == std::string(4096, 'd'));
}

TEST_CASE("DISC-2: without discard=unmap, or without a driver for it, nothing is done") {
  World world;
  TestNode off(world, 65536, discarding(512, 0));
  CHECK(off.discard(0, 4096).ok());
  CHECK(off.take_calls().empty());
  TestNode unable(world, 65536, unmapping(), [](ScriptedDriver& d) { d.can_discard = false; });
  CHECK(unable.discard(0, 4096).ok());
  CHECK(unable.take_calls().empty());
}

TEST_CASE("DISC-9: a discard needs the permission to write, and a node that is not read-only") {
  World world;
  TestNode node(world, 65536, unmapping(), discarding(512, 0));
  node.edge.permissions = kPermAll & ~kPermWrite;
  CHECK(node.discard(0, 4096).error == -EPERM);
  node.edge.permissions = kPermWrite;
  CHECK(node.discard(0, 4096).ok());
  NodeOptions sealed = unmapping();
  sealed.state.read_only = true;
  TestNode reading(world, 65536, sealed, discarding(512, 0));
  CHECK(reading.discard(0, 4096).error == -EPERM);
  CHECK(node.take_calls() == Calls{"discard 0+4096"});
  CHECK(reading.take_calls().empty());
}

TEST_CASE("DISC-3: a negative offset fails, whatever discard= says") {
  World world;
  TestNode off(world, 65536, discarding(512, 0));
  CHECK(off.discard(-1, 512).error == -EIO);
  TestNode on(world, 65536, unmapping(), discarding(512, 0));
  CHECK(on.discard(-1, 512).error == -EIO);
}

TEST_CASE("DISC-4: a piece that cannot be discarded stops nothing, a failed one does") {
  World world;
  TestNode node(world, 65536, unmapping(), discarding(512, 4096, 4096));
  node.driver->errors["discard 8192"] = -ENOTSUP;
  CHECK(node.discard(4096, 12288).ok());
  CHECK(node.take_calls() == Calls{"discard 4096+4096", "discard 8192+4096", "discard 12288+4096"});
  node.driver->errors["discard 8192"] = -EIO;
  CHECK(node.discard(4096, 12288).error == -EIO);
  CHECK(node.take_calls() == Calls{"discard 4096+4096", "discard 8192+4096"});
}

TEST_CASE("DISC-5: pieces cover every byte and follow the larger alignment") {
  World world;
  TestNode node(world, 65536, unmapping(), discarding(4096, 512));
  CHECK(node.discard(1, 20000).ok());
  CHECK(node.take_calls() == Calls{"discard 1+4095", "discard 4096+12288", "discard 16384+3617"});
}

TEST_CASE("DISC-7: 10000 bytes at 100, alignments 512 and 4096") {
  World world;
  TestNode node(world, 65536, unmapping(), discarding(512, 4096));
  CHECK(node.discard(100, 10000).ok());
  CHECK(node.take_calls() == Calls{"discard 100+412", "discard 512+3584", "discard 4096+4096",
                                   "discard 8192+1536", "discard 9728+372"});
}

TEST_CASE("DISC-8: a maximum of 4096 cuts 8192 bytes at 4096 into two") {
  World world;
  TestNode node(world, 65536, unmapping(), discarding(512, 4096, 4096));
  CHECK(node.discard(4096, 8192).ok());
  CHECK(node.take_calls() == Calls{"discard 4096+4096", "discard 8192+4096"});
}

TEST_CASE("ZERO-13: a zero-write beyond the end grows, and whatever comes after it waits") {
  World world;
  TestNode node(world, 4096);
  node.driver->hold = "zero";
  auto zero = world.start(node.node->pwrite_zeroes(node.edge, 8192, 4096, 0));
  auto behind = node.start_write(1 << 20, std::string(512, 'w'));
  auto before = node.start_write(0, std::string(512, 'w'));
  CHECK(node.take_calls() == Calls{"zero 8192+4096", "write 0+512"});
  node.driver->release();
  world.settle_down();
  CHECK(zero.value().ok());
  CHECK(behind.value().ok());
  CHECK(before.value().ok());
  CHECK(node.node->length() == (1 << 20) + 512);
  node.edge.permissions &= ~kPermResize;
  CHECK(node.zero(1 << 20, 4096).error == -EPERM);
}
