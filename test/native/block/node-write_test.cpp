// Splitting, FUA and permissions of writes; splitting of reads.
#include <cerrno>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// At most 4096 bytes a call.
auto cut(std::uint32_t alignment, std::int64_t max = 4096) {
  return [=](ScriptedDriver& driver) {
    driver.own_limits.request_alignment = alignment;
    driver.own_limits.max_transfer = max;
  };
}

auto with_fua(ScriptedDriver& driver) { driver.write_flags = kRequestFua; }

}  // namespace

TEST_CASE("RW-10: requests beyond max_transfer are cut in order, at the alignment") {
  World world;
  TestNode node(world, 65536, cut(512, 5000));
  CHECK(node.write(0, std::string(10240, 'w')).ok());
  CHECK(node.take_calls() == Calls{"write 0+4608", "write 4608+4608", "write 9216+1024"});
  CHECK(node.read(512, 9216) == std::string(9216, 'w'));
  CHECK(node.take_calls() == Calls{"read 512+4608", "read 5120+4608"});
}

TEST_CASE("RW-10: the first error stops, and what was written stays written") {
  World world;
  TestNode node(world, 65536, cut(1));
  node.driver->errors = {{"write 4096", -ENOSPC}, {"read 8192", -EIO}};
  CHECK(node.write(0, std::string(16384, 'w')).error == -ENOSPC);
  CHECK(node.take_calls() == Calls{"write 0+4096", "write 4096+4096"});
  CHECK(node.stored(0, 16384) == std::string(4096, 'w') + std::string(12288, 'd'));
  CHECK(node.read(0, 16384) == "error -5");
  CHECK(node.take_calls() == Calls{"read 0+4096", "read 4096+4096", "read 8192+4096"});
}

TEST_CASE("RW-11: nothing, even at a misaligned offset, succeeds without the driver") {
  World world;
  TestNode node(world, 65536, cut(4096));
  CHECK(node.write(100, "").ok());
  CHECK(node.read(100, 0).empty());
  CHECK(node.zero(100, 0).ok());
  CHECK(node.take_calls().empty());
}

TEST_CASE("RW-9: a node that is read-only is not written") {
  World world;
  NodeOptions options;
  options.state.read_only = true;
  TestNode node(world, 65536, options);
  CHECK(node.write(0, "w").error == -EPERM);
  CHECK(node.zero(0, 512).error == -EPERM);
  CHECK(node.take_calls().empty());
}

TEST_CASE("REQ-8: growing writes need the permission to resize") {
  World world;
  TestNode node(world, 4096);
  node.edge.permissions &= ~kPermResize;
  CHECK(node.write(4000, std::string(97, 'w')).error == -EPERM);
  CHECK(node.write(4096, "w").error == -EPERM);
  CHECK(node.zero(4096, 512).error == -EPERM);
  CHECK(node.take_calls().empty());
  CHECK(node.write(4000, std::string(96, 'w')).ok());
  node.edge.permissions |= kPermResize;
  CHECK(node.write(4000, std::string(97, 'w')).ok());
  CHECK(node.node->length() == 4608);
  CHECK(node.zero(8192, 512).ok());
  CHECK(node.node->length() == 8704);
}

TEST_CASE("FUA-2: a driver with FUA gets the flag, another one a flush after the write") {
  World world;
  TestNode able(world, 65536, with_fua);
  CHECK(able.write(0, "w", kRequestFua).ok());
  CHECK(able.take_calls() == Calls{"write 0+1 fua"});
  TestNode unable(world, 65536);
  CHECK(unable.write(0, "w", kRequestFua).ok());
  CHECK(unable.take_calls() == Calls{"write 0+1", "flush"});
  unable.driver->errors["flush"] = -EIO;
  CHECK(unable.write(0, "w", kRequestFua).error == -EIO);
}

TEST_CASE("FUA-3: a failed write is not followed by a flush") {
  World world;
  TestNode node(world, 65536);
  node.driver->errors["write"] = -ENOSPC;
  CHECK(node.write(0, "w", kRequestFua).error == -ENOSPC);
  CHECK(node.take_calls() == Calls{"write 0+1"});
  node.driver->errors["zero"] = -EIO;
  CHECK(node.zero(0, 512, kRequestFua).error == -EIO);
  CHECK(node.take_calls() == Calls{"zero 0+512"});
}

TEST_CASE("FUA-4: of a cut write every piece has native FUA, or one flush follows the last") {
  World world;
  TestNode able(world, 65536, [](ScriptedDriver& driver) {
    cut(1)(driver);
    with_fua(driver);
  });
  CHECK(able.write(0, std::string(10000, 'w'), kRequestFua).ok());
  CHECK(able.take_calls() ==
        Calls{"write 0+4096 fua", "write 4096+4096 fua", "write 8192+1808 fua"});
  TestNode unable(world, 65536, cut(1));
  CHECK(unable.write(0, std::string(10000, 'w'), kRequestFua).ok());
  CHECK(unable.take_calls() ==
        Calls{"write 0+4096", "write 4096+4096", "write 8192+1808", "flush"});
}

TEST_CASE("FUA-5: a zero-write without native FUA is followed by one flush") {
  World world;
  TestNode node(world, 65536, cut(1));
  node.driver->own_limits.max_write_zeroes = 4096;
  CHECK(world.run(node.node->refresh()).ok());
  CHECK(node.zero(0, 8192, kRequestFua).ok());
  CHECK(node.take_calls() == Calls{"zero 0+4096", "zero 4096+4096", "flush"});
  node.driver->errors["zero"] = -ENOTSUP;
  CHECK(node.zero(0, 4096, kRequestFua).ok());
  CHECK(node.take_calls() == Calls{"zero 0+4096", "write 0+4096", "flush"});
}

TEST_CASE("FUA-5: misaligned, with FUA native to plain writes only, there is one flush too") {
  World world;
  TestNode node(world, 65536, [](ScriptedDriver& driver) {
    driver.own_limits.request_alignment = 4096;
    with_fua(driver);
  });
  CHECK(node.zero(100, 8192, kRequestFua).ok());
  CHECK(node.take_calls().back() == "flush");
}

TEST_CASE("RW-7: what lies past the end of the driver reads as zeroes") {
  World world;
  TestNode node(world, 1000, cut(512, 0));
  node.driver->disk.resize(1024, '\0');
  CHECK(node.read(512, 512) == std::string(488, 'd') + std::string(24, '\0'));
  CHECK(node.read(0, 2048) == std::string(1000, 'd') + std::string(1048, '\0'));
  CHECK(node.take_calls() == Calls{"read 512+512", "read 0+1024"});
}

TEST_CASE("REQ-6: ranges beyond 2^63 - 2^30 and transfers beyond 2147483136 bytes are refused") {
  constexpr std::int64_t kEnd = 9223372035781033984;
  World world;
  TestNode node(world, 0);
  node.driver->size = kEnd;
  REQUIRE(world.run(node.node->refresh()).ok());
  char byte = 'x';
  const iovec iov{&byte, 1};
  const auto read = [&](std::int64_t offset, std::int64_t bytes) {
    return world.run(node.node->preadv(node.edge, offset, bytes, IoView(&iov, 1), 0)).error;
  };
  const auto zero = [&](std::int64_t offset, std::int64_t bytes) {
    return node.zero(offset, bytes).error;
  };
  CHECK(read(-1, 1) == -EIO);
  CHECK(read(0, -1) == -EIO);
  CHECK(read(kEnd, 0) == 0);
  CHECK(read(kEnd - 1, 1) == 0);
  CHECK(read(kEnd, 1) == -EIO);
  CHECK(read(kEnd + 1, 0) == -EIO);
  CHECK(read(0, 2147483137) == -EIO);
  CHECK(zero(0, 2147483137) == 0);
  CHECK(zero(0, kEnd) == 0);
  CHECK(zero(1, kEnd) == -EIO);
  CHECK(zero(-1, 1) == -EIO);
  CHECK(zero(0, -1) == -EIO);
}

TEST_CASE(
    "RW-12: failed writes and zero-writes raise the highest written offset, discards do not") {
  World world;
  NodeOptions options;
  options.state.discard_unmap = true;
  TestNode node(world, 65536, options);
  node.driver->errors["write 4096"] = -EIO;
  CHECK(node.write(4096, std::string(512, 'w')).error == -EIO);
  CHECK(node.node->highest_written_offset() == 4608);
  CHECK(node.zero(8192, 4096).ok());
  CHECK(node.node->highest_written_offset() == 12288);
  CHECK(node.discard(32768, 4096).ok());
  CHECK(node.node->highest_written_offset() == 12288);
  TestNode wide(world, 65536, cut(4096, 0));
  CHECK(wide.write(100, "w").ok());
  CHECK(wide.node->highest_written_offset() == 4096);  // padding counts
}

TEST_CASE("TRK-19: without a permission to write an edge cannot, with write-unchanged only that") {
  World world;
  TestNode node(world, 65536);
  node.edge.permissions = kPermConsistentRead;
  CHECK(node.write(0, "w").error == -EPERM);
  CHECK(node.write(0, "w", kRequestWriteUnchanged).error == -EPERM);
  node.edge.permissions = kPermWriteUnchanged;
  CHECK(node.write(0, "w").error == -EPERM);
  CHECK(node.write(0, "w", kRequestWriteUnchanged).ok());
}

TEST_CASE("RW-14: zeroes are written where the driver has no efficient zero-write") {
  World world;
  NodeOptions options;
  options.state.detect_zeroes = DetectZeroes::kOn;
  TestNode node(world, 65536, options);
  CHECK(node.write(0, std::string(512, '\0')).ok());
  CHECK(node.take_calls() == Calls{"write 0+512"});
  node.driver->efficient_zeroes = true;
  node.driver->zero_flags = kRequestMayUnmap;
  CHECK(node.write(0, std::string(512, '\0')).ok());
  CHECK(node.take_calls() == Calls{"zero 0+512"});
  CHECK(node.write(0, std::string(512, '\0'), kRequestFua).ok());
  CHECK(node.take_calls() == Calls{"zero 0+512", "flush"});
}

TEST_CASE("RW-14: unmap says so, and the test is on the write with its padding") {
  World world;
  NodeOptions options;
  options.state.detect_zeroes = DetectZeroes::kUnmap;
  options.state.discard_unmap = true;
  TestNode node(world, 65536, options, [](ScriptedDriver& driver) {
    driver.efficient_zeroes = true;
    driver.zero_flags = kRequestMayUnmap;
    driver.own_limits.request_alignment = 512;
  });
  CHECK(node.write(100, std::string(50, '\0')).ok());  // among bytes that are 'd'
  CHECK(node.take_calls() == Calls{"read 0+512", "write 0+512"});
  CHECK(node.zero(0, 512).ok());
  node.take_calls();
  CHECK(node.write(100, std::string(50, '\0')).ok());
  CHECK(node.take_calls() == Calls{"read 0+512", "zero 0+512 unmap"});
}

TEST_CASE("RW-14: a growing write of zeroes keeps what comes after it waiting") {
  World world;
  NodeOptions options;
  options.state.detect_zeroes = DetectZeroes::kOn;
  TestNode node(world, 4096, options,
                [](ScriptedDriver& driver) { driver.efficient_zeroes = true; });
  node.driver->hold = "zero";
  Started<Status> grows = node.start_write(4096, std::string(512, '\0'));
  Started<Status> after = node.start_write(8192, "after");
  CHECK(node.take_calls() == Calls{"zero 4096+512"});
  node.driver->release();
  world.settle_down();
  CHECK(grows.value().ok());
  CHECK(after.value().ok());
  CHECK(node.take_calls() == Calls{"write 8192+5"});
}
