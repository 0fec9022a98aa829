// Dirty bitmaps by themselves, compared with a set of bytes, and on a node.
#include "block/dirty-bitmap.hpp"

#include <random>
#include <set>

#include "scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

DirtyBitmap& watch(Node& node, std::uint32_t granularity = 512) {
  node.dirty_bitmaps().add(DirtyBitmap::create("b", granularity, node.length(), true));
  return *node.dirty_bitmaps().find("b");
}

/// The chunks that the bytes touch.
void touch(std::set<std::int64_t>& chunks, std::int64_t offset, std::int64_t bytes,
           std::int64_t granularity, std::int64_t length) {
  if (offset >= length) {
    return;
  }
  for (std::int64_t at = offset / granularity * granularity; at < std::min(offset + bytes, length);
       at += granularity) {
    chunks.insert(at / granularity);
  }
}

/// Chunk by chunk.
std::int64_t change_after(const std::set<std::int64_t>& chunks, std::int64_t offset,
                          std::int64_t end, std::int64_t granularity) {
  const bool dirty = chunks.contains(offset / granularity);
  std::int64_t chunk = offset / granularity + 1;
  while (chunk * granularity < end && chunks.contains(chunk) == dirty) {
    ++chunk;
  }
  return std::min(end, chunk * granularity);
}

}  // namespace

TEST_CASE("dirty bitmap: marks, lengths and merges are those of a set of chunks") {
  const auto seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const auto below = [&random](std::int64_t end) {
    return static_cast<std::int64_t>(random() % end);
  };
  for (int round = 0; round < 50; ++round) {
    const std::int64_t granularity = std::int64_t{512} << below(4);
    std::int64_t length = below(400'000);
    auto bitmap = DirtyBitmap::create("b", static_cast<std::uint32_t>(granularity), length, true);
    std::set<std::int64_t> chunks;
    for (int step = 0; step < 60; ++step) {
      switch (below(6)) {
        case 0:
          length = below(400'000);
          bitmap->resize(length);
          std::erase_if(chunks, [&](std::int64_t chunk) { return chunk * granularity >= length; });
          break;
        case 1: {
          auto other = DirtyBitmap::create("o", 4096, length, true);
          const std::int64_t at = below(400'000);
          other->mark(at, 1);
          bitmap->merge(*other);
          if (at < length) {
            touch(chunks, at / 4096 * 4096, 4096, granularity, length);
          }
          break;
        }
        default: {
          const std::int64_t offset = below(400'000);
          const std::int64_t bytes = below(70'000);
          bitmap->mark(offset, bytes);
          if (bytes > 0) {
            touch(chunks, offset, bytes, granularity, length);
          }
        }
      }
      REQUIRE(bitmap->count() == chunks.size() * static_cast<std::uint64_t>(granularity));
      const std::int64_t probe = below(400'000);
      REQUIRE(bitmap->is_dirty(probe) == (probe < length && chunks.contains(probe / granularity)));
      if (probe < length) {
        const std::int64_t end = probe + 1 + below(length - probe);
        REQUIRE(bitmap->next_change(probe, end) == change_after(chunks, probe, end, granularity));
      }
    }
  }
}

TEST_CASE("ZERO-14: a zero-write is noted like a write") {
  World world;
  TestNode node(world, 65536);
  const DirtyBitmap& bitmap = watch(*node.node);
  CHECK(node.zero(4096, 1024).ok());
  CHECK(bitmap.count() == 1024);
  CHECK(node.write(0, std::string(100, 'x')).ok());
  CHECK(bitmap.count() == 1536);
  CHECK(bitmap.is_dirty(511));
  CHECK_FALSE(bitmap.is_dirty(512));
}

TEST_CASE("DISC-9: where a bitmap must not be changed, the node must not: EPERM") {
  World world;
  NodeOptions options;
  options.state.discard_unmap = true;
  TestNode node(world, 65536, options);
  DirtyBitmap& bitmap = watch(*node.node);
  bitmap.set_read_only(true);
  CHECK(world.run(node.node->pdiscard(node.edge, 0, 4096)).error == -EPERM);
  CHECK(node.write(0, "x").error == -EPERM);
  CHECK(node.take_calls().empty());
  CHECK(bitmap.count() == 0);
  bitmap.set_read_only(false);
  CHECK(world.run(node.node->pdiscard(node.edge, 0, 4096)).ok());
}

TEST_CASE(
    "DISC-10: a discard is noted, and changes neither the size nor what was written highest") {
  World world;
  NodeOptions options;
  options.state.discard_unmap = true;
  TestNode node(world, 65536, options);
  const DirtyBitmap& bitmap = watch(*node.node);
  CHECK(world.run(node.node->pdiscard(node.edge, 8192, 4096)).ok());
  CHECK(bitmap.count() == 4096);
  CHECK(bitmap.is_dirty(8192));
  CHECK(node.node->length() == 65536);
  CHECK(node.node->highest_written_offset() == 0);
  node.take_calls();
  CHECK(world.run(node.node->flush()).ok());
  CHECK(node.take_calls() == Calls{"flush"});
}

TEST_CASE("TRUNC-4: a bitmap has the length of its node") {
  World world;
  TestNode node(world, 65536);
  const DirtyBitmap& bitmap = watch(*node.node);
  CHECK(node.write(61440, std::string(4096, 'x')).ok());
  ErrorReport report;
  TruncateRequest request;
  request.size = 62464;
  CHECK(world.run(node.node->truncate(node.edge, request, report)).ok());
  CHECK(bitmap.count() == 1024);
  request.size = 65536;
  CHECK(world.run(node.node->truncate(node.edge, request, report)).ok());
  CHECK(bitmap.count() == 1024);
  CHECK(node.write(65024, std::string(512, 'x')).ok());
  CHECK(bitmap.count() == 1536);
}

TEST_CASE("COPY-6: what is copied to is noted, what is copied from is not") {
  World world;
  TestNode source(world, 65536);
  TestNode target(world, 65536);
  const DirtyBitmap& read = watch(*source.node);
  const DirtyBitmap& written = watch(*target.node);
  CHECK(
      world.run(source.node->copy_range_from({&source.edge, 0, &target.edge, 4096, 8192, 0})).ok());
  CHECK(read.count() == 0);
  CHECK(written.count() == 8192);
  CHECK(written.is_dirty(4096));
}

TEST_CASE("dirty bitmap: one that does not record keeps what it has, and a failed write is noted") {
  World world;
  TestNode node(world, 65536);
  DirtyBitmap& bitmap = watch(*node.node);
  node.driver->errors["write 0"] = -EIO;
  CHECK(node.write(0, "x").error == -EIO);
  CHECK(bitmap.count() == 512);
  bitmap.set_recording(false);
  CHECK(node.write(4096, "x").ok());
  CHECK(bitmap.count() == 512);
}
