#include "drivers/blklogwrites.hpp"

#include <algorithm>
#include <cerrno>

#include "block/scripted.hpp"

namespace {

using namespace blk::block;
using namespace blk::test;
using blk::drivers::BlklogwritesDriver;
using blk::drivers::WriteLogEntry;
using blk::drivers::WriteLogSuper;

/// A blklogwrites node over two scripted ones, and what its log says.
struct Logged {
  World world;
  TestNode file{world, 65536, [](ScriptedDriver& scripted) {
                  scripted.write_flags = scripted.zero_flags = kRequestFua;
                }};
  TestNode log{world, 1 << 20};
  Options options;
  BlklogwritesDriver* driver = new BlklogwritesDriver;
  std::shared_ptr<Node> node =
      std::make_shared<Node>(world.context, named(), std::unique_ptr<Driver>(driver), world);
  Edge edge{0, node, kChildData, kPermAll, kPermAll};
  std::string data = std::string(4096, 'w');
  iovec iov{data.data(), data.size()};
  ErrorReport report;

  static NodeOptions named() {
    NodeOptions options;
    options.id = 9;
    options.state.discard_unmap = true;
    return options;
  }
  Logged() {
    auto first = std::make_unique<Edge>(file.edge);
    first->role = kChildFiltered | kChildPrimary;
    auto second = std::make_unique<Edge>(log.edge);
    second->role = kChildMetadata;
    node->add_child(std::move(first));
    node->add_child(std::move(second));
    NodeState state;
    state.discard_unmap = true;
    file.node->set_state(state);
  }
  int open() { return world.run(node->open(options, report)).error; }
  Started<Status> start_write(std::int64_t offset, std::int64_t bytes = 512,
                              RequestFlags flags = 0) {
    return world.start(node->pwritev(edge, offset, bytes, IoView(&iov, 1), flags));
  }
  int write(std::int64_t offset, std::int64_t bytes = 512, RequestFlags flags = 0) {
    return start_write(offset, bytes, flags).value().error;
  }
  int flush() { return world.run(node->flush()).error; }

  const std::byte* disk() const {
    return reinterpret_cast<const std::byte*>(log.driver->disk.data());
  }
  WriteLogSuper super() const { return WriteLogSuper::get(disk()); }
  /// "0+512 fua", "flush", "discard 0+4096", as many as the driver counts.
  Calls entries() const {
    Calls found;
    std::int64_t size = driver->control("sector-size", "");
    const std::byte* at = disk() + size;
    for (std::int64_t left = driver->control("entries", ""); left > 0; --left) {
      const WriteLogEntry entry = WriteLogEntry::get(at);
      const auto sector = static_cast<std::int64_t>(entry.sector);
      const auto sectors = static_cast<std::int64_t>(entry.sectors);
      std::string text = std::to_string(sector * size) + "+" + std::to_string(sectors * size);
      text += (entry.flags & blk::drivers::kLogFua) != 0 ? " fua" : "";
      text = (entry.flags & blk::drivers::kLogDiscard) != 0 ? "discard " + text : text;
      text = (entry.flags & blk::drivers::kLogFlush) != 0 ? "flush" : text;
      found.push_back(text);
      at += size + static_cast<std::int64_t>(entry.data_sectors()) * size;
    }
    return found;
  }
};

}  // namespace

TEST_CASE("blklogwrites: what had completed when a flush began comes before it, the rest after") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  logged.file.driver->hold = "write 4096";
  auto late = logged.start_write(4096);
  CHECK(logged.write(8192) == 0);
  CHECK(logged.write(0) == 0);
  logged.file.driver->hold = "flush";
  auto flush = logged.world.start(logged.node->flush());
  logged.file.driver->release_one();  // the write that was late
  logged.world.settle_down();
  auto fua = logged.start_write(12288, 512, kRequestFua);
  CHECK_FALSE(flush.done());
  CHECK(logged.entries() == Calls{"8192+512", "0+512"});
  logged.file.driver->release();
  logged.world.settle_down();
  CHECK(flush.value().ok());
  CHECK(late.value().ok());
  CHECK(fua.value().ok());
  CHECK(logged.entries() == Calls{"8192+512", "0+512", "flush", "4096+512", "12288+512 fua"});
}

TEST_CASE("blklogwrites: a write is told about when it is in the log") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  logged.log.driver->hold = "write";
  auto write = logged.start_write(0);
  CHECK(logged.file.take_calls() == Calls{"write 0+512"});
  CHECK_FALSE(write.done());
  CHECK(logged.driver->control("entries", "") == 0);
  logged.log.driver->release();
  logged.world.settle_down();
  CHECK(write.value().ok());
  CHECK(logged.entries() == Calls{"0+512"});
  CHECK(logged.log.stored(1024, 512) == std::string(512, 'w'));
}

TEST_CASE("blklogwrites: what completes while the log is being written goes there together") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  CHECK(logged.log.take_calls() == Calls{"write 0+512", "write 512+1024", "write 0+512"});
  logged.log.driver->hold = "write";
  auto first = logged.start_write(512);
  auto second = logged.start_write(1024);
  auto third = logged.start_write(1536, 1024);
  CHECK(logged.log.take_calls() == Calls{"write 1536+1024"});
  logged.log.driver->release();
  logged.world.settle_down();
  CHECK(first.value().ok());
  CHECK(second.value().ok());
  CHECK(third.value().ok());
  CHECK(logged.log.take_calls() == Calls{"write 2560+2560", "write 0+512"});
  CHECK(logged.entries() == Calls{"0+512", "512+512", "1024+512", "1536+1024"});
}

TEST_CASE("blklogwrites: a failed log write fails its request and leaves no gap") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  logged.log.driver->errors["write"] = -ENOSPC;
  const Status failed = logged.start_write(512).value();
  CHECK(failed.error == -ENOSPC);
  CHECK(failed.node == 1);
  CHECK(logged.flush() == -ENOSPC);
  logged.log.driver->errors.clear();
  CHECK(logged.write(1024) == 0);
  CHECK(logged.flush() == 0);
  CHECK(logged.entries() == Calls{"0+512", "1024+512", "flush"});
  CHECK(logged.super().entries == 3);
}

TEST_CASE("blklogwrites: what failed is not in the log, and holds nothing up") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  logged.file.driver->errors["write"] = -EIO;
  CHECK(logged.write(0) == -EIO);
  logged.file.driver->errors.clear();
  CHECK(logged.write(0) == 0);
  logged.file.driver->errors["flush"] = -EIO;
  logged.file.driver->hold = "flush";
  auto flush = logged.world.start(logged.node->flush());
  auto behind = logged.start_write(512);
  CHECK_FALSE(behind.done());
  logged.file.driver->release();
  logged.world.settle_down();
  CHECK(flush.value().error == -EIO);
  CHECK(behind.value().ok());
  CHECK(logged.entries() == Calls{"0+512", "512+512"});
}

TEST_CASE("blklogwrites: zero-writes, discards and FUA are entries of their own") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.world.run(logged.node->pwrite_zeroes(logged.edge, 4096, 8192, kRequestFua)).ok());
  CHECK(logged.world.run(logged.node->pdiscard(logged.edge, 0, 4096)).ok());
  CHECK(logged.write(512, 512, kRequestFua) == 0);
  CHECK(logged.file.take_calls() ==
        Calls{"zero 4096+8192 fua", "discard 0+4096", "write 512+512 fua"});
  CHECK(logged.entries() == Calls{"4096+8192 fua", "discard 0+4096", "512+512 fua"});
  CHECK(logged.log.take_calls() == Calls{"write 0+512", "write 512+512", "zero 1024+8192",
                                         "write 0+512", "write 9216+512", "write 0+512",
                                         "write 9728+1024", "write 0+512"});
  CHECK(logged.log.stored(1024, 8192) == std::string(8192, '\0'));
}

TEST_CASE("blklogwrites: a discard is cut down to whole sectors of the log, the file's as well") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.world.run(logged.node->pdiscard(logged.edge, 100, 2000)).ok());
  CHECK(logged.world.run(logged.node->pdiscard(logged.edge, 4100, 200)).ok());
  CHECK(logged.file.take_calls() == Calls{"discard 512+1536"});
  CHECK(logged.entries() == Calls{"discard 512+1536"});
}

TEST_CASE("blklogwrites: FUA of a file that has none is a flush of the file alone") {
  Logged logged;
  logged.file.driver->write_flags = 0;
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0, 512, kRequestFua) == 0);
  CHECK(logged.file.take_calls() == Calls{"write 0+512", "flush"});
  CHECK(logged.entries() == Calls{"0+512 fua"});
}

TEST_CASE("blklogwrites: the superblock counts when nothing waits, durably after an interval") {
  Logged logged;
  logged.options.set("log-super-update-interval", std::int64_t{3});
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  CHECK(logged.write(0) == 0);
  CHECK(logged.super().entries == 2);
  CHECK(logged.super().sector_size == 512);
  logged.log.take_calls();
  CHECK(logged.write(0) == 0);
  CHECK(logged.super().entries == 3);
  CHECK(logged.log.take_calls() == Calls{"write 2560+1024", "write 0+512", "flush"});
  CHECK(logged.write(0) == 0);
  CHECK(logged.log.take_calls() == Calls{"write 3584+1024", "write 0+512"});
  CHECK(logged.flush() == 0);
  CHECK(logged.super().entries == 5);
  CHECK(logged.log.take_calls() == Calls{"write 4608+512", "write 0+512", "flush"});
}

TEST_CASE("blklogwrites: a superblock that cannot be written fails the flush") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  logged.log.driver->errors["flush"] = -EIO;
  CHECK(logged.flush() == -EIO);
  logged.log.driver->errors.clear();
  CHECK(logged.flush() == 0);
  CHECK(logged.entries() == Calls{"0+512", "flush", "flush"});
}

TEST_CASE("blklogwrites: it goes on where a log ends, in its sectors") {
  std::vector<char> disk;
  {
    Logged logged;
    logged.options.set("log-sector-size", std::int64_t{4096});
    REQUIRE(logged.open() == 0);
    CHECK(logged.write(0, 4096) == 0);
    CHECK(logged.world.run(logged.node->pdiscard(logged.edge, 4096, 4096)).ok());
    CHECK(logged.flush() == 0);
    disk = logged.log.driver->disk;
  }
  Logged logged;
  logged.log.driver->disk = disk;
  logged.options.set("log-append", true);
  REQUIRE(logged.open() == 0);
  CHECK(logged.node->limits().request_alignment == 4096);
  CHECK(logged.driver->control("entries", "") == 3);
  CHECK(logged.write(8192, 4096) == 0);
  CHECK(logged.flush() == 0);
  CHECK(logged.entries() == Calls{"0+4096", "discard 4096+4096", "flush", "8192+4096", "flush"});
}

TEST_CASE("blklogwrites: no log to go on with is refused, and says why") {
  const auto refused = [](auto prepare) {
    Logged logged;
    WriteLogSuper super;
    super.sector_size = 512;
    prepare(logged, super);
    logged.options.set("log-append", true);
    super.put(reinterpret_cast<std::byte*>(logged.log.driver->disk.data()));
    CHECK(logged.open() == -EINVAL);
    return logged.report.kind;
  };
  CHECK(refused([](Logged&, WriteLogSuper& super) { super.magic = 1; }) == "log-no-magic");
  CHECK(refused([](Logged&, WriteLogSuper& super) { super.version = 2; }) == "log-version");
  CHECK(refused([](Logged&, WriteLogSuper& super) { super.sector_size = 500; }) ==
        "log-sector-size");
  CHECK(refused([](Logged&, WriteLogSuper& super) { super.entries = 1; }) == "log-entry");
  CHECK(refused([](Logged& logged, WriteLogSuper& super) {
          WriteLogEntry().put(reinterpret_cast<std::byte*>(logged.log.driver->disk.data() + 512));
          super.entries = 1;
        }) == "log-entry");
  CHECK(refused([](Logged& logged, WriteLogSuper& super) {
          WriteLogEntry entry;
          entry.sectors = UINT64_MAX;
          entry.put(reinterpret_cast<std::byte*>(logged.log.driver->disk.data() + 512));
          super.entries = 2;
        }) == "log-entry");
  CHECK(refused([](Logged& logged, WriteLogSuper&) {
          logged.options.set("log-super-update-interval", std::int64_t{0});
        }) == "log-super-update-interval");
}

TEST_CASE("blklogwrites: sectors of the log are powers of two from 32 to 2^23 bytes") {
  for (const std::int64_t size : {std::int64_t{32}, std::int64_t{512}, std::int64_t{1} << 23}) {
    CHECK(blk::drivers::is_log_sector_size(size));
  }
  for (const std::int64_t size : {std::int64_t{-512}, std::int64_t{0}, std::int64_t{16},
                                  std::int64_t{33}, std::int64_t{1} << 24, std::int64_t{1} << 62}) {
    CHECK_FALSE(blk::drivers::is_log_sector_size(size));
  }
  Logged logged;
  logged.options.set("log-sector-size", std::int64_t{16});
  CHECK(logged.open() == -EINVAL);
}

TEST_CASE("blklogwrites: vectors as long as the system takes them still get their entry's sector") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  std::vector<iovec> parts;
  for (std::size_t i = 0; i < kMaxIov; ++i) {
    parts.push_back({logged.data.data(), 1});
  }
  const IoView view(parts.data(), kMaxIov);
  CHECK(logged.world.run(logged.node->pwritev(logged.edge, 0, kMaxIov, view, 0)).ok());
  CHECK(logged.log.take_calls() ==
        Calls{"write 0+512", "write 512+512", "write 1024+1024", "write 0+512"});
}

TEST_CASE("blklogwrites: a device's own commands are refused") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.world.run(logged.node->ioctl(0, nullptr, 0)) == -ENOTSUP);
}

TEST_CASE("REOP-14: blklogwrites can be reopened with another interval") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.driver->has_reopen());
  ReopenRequest request;
  request.options.set("log-super-update-interval", std::int64_t{0});
  CHECK(logged.world.run(logged.driver->reopen_prepare(request, logged.report)).error == -EINVAL);
  request.options.set("log-super-update-interval", std::int64_t{1});
  CHECK(logged.world.run(logged.driver->reopen_prepare(request, logged.report)).ok());
  logged.driver->reopen_commit();
  CHECK(logged.write(0) == 0);
  CHECK(logged.super().entries == 1);
}

TEST_CASE(
    "blklogwrites: an image that is handed over has its log complete, and takes a longer one") {
  Logged logged;
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  CHECK(logged.world.run(logged.node->inactivate()).ok());
  CHECK(logged.super().entries == 1);
  WriteLogSuper super = logged.super();
  WriteLogEntry entry;
  entry.flags = blk::drivers::kLogFlush;
  super.entries = 2;
  auto* disk = reinterpret_cast<std::byte*>(logged.log.driver->disk.data());
  super.put(disk);
  entry.put(disk + 3 * 512);
  CHECK(logged.world.run(logged.node->invalidate(logged.report)).ok());
  CHECK(logged.write(512) == 0);
  CHECK(logged.entries() == Calls{"0+512", "flush", "512+512"});
}

TEST_CASE("blklogwrites: a log that another process emptied begins again") {
  Logged logged;
  const auto empty = [&] {
    logged.log.driver->size = 0;
    std::fill(logged.log.driver->disk.begin(), logged.log.driver->disk.end(), '\0');
    REQUIRE(logged.world.run(logged.log.node->invalidate(logged.report)).ok());
  };
  logged.options.set("log-append", true);
  empty();
  REQUIRE(logged.open() == 0);
  CHECK(logged.write(0) == 0);
  CHECK(logged.write(512) == 0);
  CHECK(logged.world.run(logged.node->inactivate()).ok());
  empty();
  CHECK(logged.world.run(logged.node->invalidate(logged.report)).ok());
  CHECK(logged.driver->control("entries", "") == 0);
  CHECK(logged.write(1024) == 0);
  CHECK(logged.entries() == Calls{"1024+512"});
  CHECK(logged.super().entries == 1);
}
