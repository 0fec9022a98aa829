#include "drivers/alignment-probe.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>

namespace {

using blk::drivers::Alignments;
using blk::drivers::probe_alignments;

/// A disk that takes requests and memory of these alignments, and gives `result` to those.
struct Disk {
  std::size_t request;
  std::size_t memory;
  std::int64_t result = 0;
  int reads = 0;

  int probe(Alignments& found, std::uint32_t logical_block_size = 0) {
    return probe_alignments(
        [this](std::byte* data, std::size_t bytes) -> std::int64_t {
          ++reads;
          const bool aligned =
              bytes % request == 0 && reinterpret_cast<std::uintptr_t>(data) % memory == 0;
          return aligned ? result : -EINVAL;
        },
        logical_block_size, found);
  }
};

TEST_CASE("FILE-7: offset and length are probed, unless the device says its sector size") {
  Alignments found;
  CHECK(Disk{1024, 1}.probe(found) == 0);
  CHECK(found.request == 1024);
  CHECK(Disk{1, 1}.probe(found) == 0);
  CHECK(found.request == 4096);
  CHECK(Disk{4096, 1}.probe(found, 512) == 0);
  CHECK(found.request == 512);
}

TEST_CASE("FILE-8: the memory is probed likewise, and it is an error when nothing works") {
  Alignments found;
  CHECK(Disk{512, 2048}.probe(found) == 0);
  CHECK(found.request == 512);
  CHECK(found.memory == 2048);
  CHECK(Disk{512, 1}.probe(found) == 0);
  CHECK(found.memory == 4096);
  CHECK(Disk{8192, 1}.probe(found) == -EINVAL);
  CHECK(Disk{512, 8192}.probe(found) == -EINVAL);
}

TEST_CASE("FILE-9: only EINVAL means misaligned: a real read error counts as aligned") {
  for (const std::int64_t error : {-EIO, -ENOSPC, -EPERM}) {
    Alignments found;
    Disk disk{512, 512, error};
    CHECK(disk.probe(found) == 0);
    CHECK(found.request == 512);
    CHECK(found.memory == 512);
    CHECK(disk.reads == 4);
  }
}

}  // namespace
