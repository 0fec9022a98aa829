#include "drivers/raw.hpp"

#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;

/// A raw node over a scripted file of 64 KiB.
struct RawOnFile {
  World world;
  TestNode file{world, 65536};
  blk::drivers::RawDriver* driver = new blk::drivers::RawDriver;
  std::shared_ptr<Node> node =
      std::make_shared<Node>(world.context, options(), std::unique_ptr<Driver>(driver), world);
  Edge edge{0, node, kChildData, kPermAll, kPermAll};
  std::string data = std::string(4096, 'w');
  iovec iov{data.data(), data.size()};

  static NodeOptions options() {
    NodeOptions options;
    options.id = 9;
    options.state.discard_unmap = true;
    return options;
  }
  explicit RawOnFile(std::int64_t offset, std::int64_t size = -1) {
    node->add_child(std::make_unique<Edge>(file.edge));
    Options window;
    window.set("offset", offset);
    if (size >= 0) {
      window.set("size", size);
    }
    ErrorReport report;
    REQUIRE(world.run(node->open(window, report)).ok());
  }
  IoView view() { return {&iov, 1}; }
};

}  // namespace

TEST_CASE("RAW-3: beyond the window the driver gives ENOSPC for writes and EINVAL for reads") {
  RawOnFile raw(4096, 8192);
  const auto write = [&](std::int64_t offset) {
    return raw.world.run(raw.driver->pwritev(offset, 4096, raw.view(), 0)).error;
  };
  const auto read = [&](std::int64_t offset) {
    return raw.world.run(raw.driver->preadv(offset, 4096, raw.view(), 0)).error;
  };
  CHECK(write(4097) == -ENOSPC);
  CHECK(write(8192) == -ENOSPC);
  CHECK(raw.world.run(raw.driver->pwrite_zeroes(8192, 512, 0)).error == -ENOSPC);
  CHECK(read(4097) == -EINVAL);
  CHECK(read(8192) == -EINVAL);
  CHECK(raw.file.take_calls().empty());
  CHECK(write(4096) == 0);
  CHECK(read(4096) == 0);
  CHECK(raw.file.take_calls() == Calls{"write 8192+4096", "read 8192+4096"});
}

TEST_CASE("RAW-4: of a file that shrank the window has what is left, below its offset nothing") {
  RawOnFile raw(4096, 16384);
  const auto length_with = [&](std::int64_t size) {
    raw.file.driver->size = size;
    REQUIRE(raw.world.run(raw.file.node->refresh()).ok());
    REQUIRE(raw.world.run(raw.node->refresh()).ok());
    return raw.node->length();
  };
  CHECK(length_with(65536) == 16384);
  CHECK(length_with(12288) == 8192);
  CHECK(length_with(4096) == 0);
  CHECK(length_with(512) == 0);
}

TEST_CASE("RAW-4: a file of variable length is asked each time") {
  RawOnFile raw(4096);
  raw.file.driver->variable_length = true;
  CHECK(raw.node->has_variable_length());
  raw.file.driver->size = 5120;
  CHECK(raw.world.run(raw.node->current_length()) == 1024);
}

TEST_CASE("RAW-5: everything is shifted by the offset") {
  RawOnFile raw(1000, 8192);
  Node& node = *raw.node;
  CHECK(raw.world.run(node.pwritev(raw.edge, 0, 4096, raw.view(), 0)).ok());
  CHECK(raw.world.run(node.preadv(raw.edge, 512, 4096, raw.view(), 0)).ok());
  CHECK(raw.world.run(node.pwrite_zeroes(raw.edge, 4096, 512, 0)).ok());
  CHECK(raw.file.take_calls() == Calls{"write 1000+4096", "read 1512+4096", "zero 5096+512"});
  const BlockStatus status = raw.world.run(node.block_status(true, 512, 1024));
  CHECK(status.offset == 1512);
  CHECK(status.bytes == 1024);
}

TEST_CASE("RAW-6: ioctl is refused with an offset or a size") {
  RawOnFile offset(512);
  RawOnFile size(0, 65536);
  CHECK(offset.world.run(offset.node->ioctl(1, nullptr, 0)) == -ENOTSUP);
  CHECK(size.world.run(size.node->ioctl(1, nullptr, 0)) == -ENOTSUP);
}

TEST_CASE("RAW-6: so is the geometry") {
  for (const bool windowed : {false, true}) {
    RawOnFile raw(windowed ? 512 : 0);
    raw.file.driver->geometry = Geometry{4, 16, 63};
    Geometry geometry;
    const Status status = raw.world.run(raw.node->probe_geometry(geometry));
    CHECK(status.error == (windowed ? -ENOTSUP : 0));
    CHECK(geometry.cylinders == (windowed ? 0 : 4));
  }
}

TEST_CASE("RAW-6: a window on a SCSI generic device is refused when it is opened") {
  const auto open = [](const char* name, std::int64_t value) {
    World world;
    TestNode device(world, 65536, [](ScriptedDriver& driver) { driver.scsi_generic = true; });
    auto node = std::make_shared<Node>(world.context, RawOnFile::options(),
                                       std::make_unique<blk::drivers::RawDriver>(), world);
    node->add_child(std::make_unique<Edge>(device.edge));
    Options options;
    if (name != nullptr) {
      options.set(name, value);
    }
    ErrorReport report;
    const int error = world.run(node->open(options, report)).error;
    CHECK(report.kind == (error == 0 ? "" : "raw-window-on-scsi-generic"));
    return error;
  };
  CHECK(open(nullptr, 0) == 0);
  CHECK(open("offset", 512) == -EINVAL);
  CHECK(open("size", 4096) == -EINVAL);
}

TEST_CASE("FUA-12: raw passes FUA through if its file has it, else raw flushes") {
  RawOnFile raw(0);
  CHECK(raw.world.run(raw.node->pwritev(raw.edge, 0, 4096, raw.view(), kRequestFua)).ok());
  CHECK(raw.file.take_calls() == Calls{"write 0+4096", "flush"});
  raw.file.driver->write_flags = kRequestFua;
  CHECK(raw.world.run(raw.node->pwritev(raw.edge, 0, 4096, raw.view(), kRequestFua)).ok());
  CHECK(raw.file.take_calls() == Calls{"write 0+4096 fua"});
}

TEST_CASE("RAW-8: flags of zero-writes are those of the file, and may-unmap needs discard=unmap") {
  RawOnFile raw(0);
  CHECK((raw.driver->supported_zero_flags() & (kRequestMayUnmap | kRequestNoFallback)) == 0);
  raw.file.driver->zero_flags = kRequestMayUnmap | kRequestNoFallback;
  CHECK(raw.world.run(raw.node->pwrite_zeroes(raw.edge, 0, 4096, kRequestNoFallback)).ok());
  CHECK(raw.file.take_calls() == Calls{"zero 0+4096 no-fallback"});
  // The file was opened without discard=unmap.
  CHECK(raw.world.run(raw.node->pwrite_zeroes(raw.edge, 0, 4096, kRequestMayUnmap)).ok());
  CHECK(raw.file.take_calls() == Calls{"zero 0+4096"});
}

TEST_CASE("RAW-8: write-unchanged is passed through") {
  RawOnFile raw(0);
  raw.edge.permissions = kPermConsistentRead | kPermWriteUnchanged;
  raw.node->children().front()->permissions = kPermConsistentRead | kPermWriteUnchanged;
  const auto write = [&](RequestFlags flags) {
    return raw.world.run(raw.node->pwritev(raw.edge, 0, 4096, raw.view(), flags)).error;
  };
  CHECK(write(0) == -EPERM);
  CHECK(raw.file.take_calls().empty());
  CHECK(write(kRequestWriteUnchanged) == 0);
  CHECK(raw.world.run(raw.node->pwrite_zeroes(raw.edge, 0, 4096, kRequestWriteUnchanged)).ok());
  CHECK(raw.file.take_calls() == Calls{"write 0+4096", "zero 0+4096"});
}

TEST_CASE("BST-9: raw asks its file at the shifted place, whose answer it gives") {
  RawOnFile raw(1000, 8192);
  const BlockStatus status = raw.world.run(raw.node->block_status(true, 8000, 4096));
  CHECK(status.data);
  CHECK(status.offset == 9000);
  CHECK(status.bytes == 192);
  CHECK(status.end_of_file);
  CHECK_FALSE(raw.world.run(raw.node->block_status(true, 0, 512)).end_of_file);
}

TEST_CASE("BST-9: what a window has beyond its shrunken file reads as zeroes") {
  RawOnFile raw(0, 16384);
  raw.file.driver->size = 4096;
  REQUIRE(raw.world.run(raw.file.node->refresh()).ok());
  const BlockStatus status = raw.world.run(raw.node->block_status(true, 8192, 4096));
  CHECK(status.zero);
  CHECK(status.bytes == 4096);
}
