#include "block/padding.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <string>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

auto aligned(std::uint32_t request) {
  return [=](ScriptedDriver& driver) { driver.own_limits.request_alignment = request; };
}

}  // namespace

TEST_CASE("TRK-9: head and tail are what is missing to whole blocks") {
  struct Example {
    std::int64_t offset, bytes, head, tail, blocks;
    bool one_read;
  };
  const std::vector<Example> examples{
      {100, 100, 100, 3896, 1, true},   {0, 100, 0, 3996, 1, true},
      {3996, 100, 3996, 0, 1, true},    {4000, 200, 4000, 3992, 2, true},
      {100, 8192, 100, 3996, 2, false}, {100, 8092, 100, 0, 1, false},
      {4096, 4100, 0, 4092, 1, false},  {8292, 3996, 100, 0, 1, true},
  };
  for (const Example& example : examples) {
    CAPTURE(example.offset);
    CAPTURE(example.bytes);
    const PaddedRequest padded(example.offset, example.bytes, 4096);
    CHECK(padded.head == example.head);
    CHECK(padded.tail == example.tail);
    CHECK((padded.has_two_blocks() ? 2 : 1) == example.blocks);
    CHECK(padded.is_one_read() == example.one_read);
    CHECK(padded.offset == example.offset - example.head);
    CHECK(padded.bytes == example.head + example.bytes + example.tail);
  }
  CHECK_FALSE(PaddedRequest(4096, 8192, 4096).needed());
}

TEST_CASE("TRK-9: neighbouring head and tail blocks are read together") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  CHECK(node.write(4000, std::string(200, 'w')).ok());
  CHECK(node.take_calls() == Calls{"read 0+8192", "write 0+8192"});
  CHECK(node.write(4000, std::string(8192, 'w')).ok());
  CHECK(node.take_calls() == Calls{"read 0+4096", "read 8192+4096", "write 0+12288"});
}

TEST_CASE("TRK-10: a misaligned read widens to blocks and gives the caller's bytes only") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  std::iota(node.driver->disk.begin(), node.driver->disk.end(), '\0');
  const std::string content = node.stored(0, 65536);
  CHECK(node.read(1000, 10000) == content.substr(1000, 10000));
  CHECK(node.take_calls() == Calls{"read 0+12288"});
  CHECK(node.read(4097, 1) == content.substr(4097, 1));
  CHECK(node.take_calls() == Calls{"read 4096+4096"});
}

TEST_CASE("TRK-11: a misaligned write is one aligned write and keeps the other bytes") {
  World world;
  TestNode node(world, 65536, aligned(512));
  CHECK(node.write(700, std::string(1000, 'w')).ok());
  CHECK(node.take_calls() == Calls{"read 512+512", "read 1536+512", "write 512+1536"});
  std::string expected(65536, 'd');
  expected.replace(700, 1000, 1000, 'w');
  CHECK(node.stored(0, 65536) == expected);
}

TEST_CASE("TRK-12: padding past the end is zeroes") {
  World world;
  TestNode node(world, 1000, aligned(4096));
  node.driver->disk.resize(8192, '?');
  CHECK(node.write(1010, "w").ok());
  CHECK(node.take_calls() == Calls{"read 0+4096", "write 0+4096"});
  CHECK(node.stored(1010, 1) == "w");
  // The length is 1024: the block that holds it is read, the one behind it is not.
  CHECK(node.write(4090, std::string(10, 'x')).ok());
  CHECK(node.take_calls() == Calls{"read 0+4096", "write 0+8192"});
  CHECK(node.stored(4100, 4092) == std::string(4092, '\0'));
}

TEST_CASE("TRK-13: when the padding cannot be read the write fails and writes nothing") {
  World world;
  TestNode node(world, 65536, aligned(4096));
  for (const auto& [read, offset, bytes] :
       {std::tuple{"read 0", 100, 100}, {"read 0", 100, 8192}, {"read 8192", 100, 8192}}) {
    CAPTURE(read);
    node.driver->errors = {{read, -EIO}};
    CHECK(node.write(offset, std::string(static_cast<std::size_t>(bytes), 'w')).error == -EIO);
    for (const std::string& call : node.take_calls()) {
      CHECK(call.starts_with("read"));
    }
    CHECK(node.stored(0, 65536) == std::string(65536, 'd'));
  }
}
