#include "drivers/probe-store.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using blk::block::IoView;
using blk::drivers::ProbeStore;

constexpr std::int64_t kCluster = ProbeStore::kClusterBytes;

struct Store {
  ProbeStore store;

  int write(std::int64_t offset, std::string text) {
    const iovec iov{text.data(), text.size()};
    return store.write(offset, IoView(&iov, 1), static_cast<std::int64_t>(text.size()));
  }
  std::string read(std::int64_t offset, std::size_t bytes) const {
    std::string text(bytes, '?');
    const iovec iov{text.data(), text.size()};
    store.read(offset, IoView(&iov, 1), static_cast<std::int64_t>(bytes));
    return text;
  }
};

}  // namespace

TEST_CASE("x-probe: extents end where the state changes, and data at its cluster") {
  Store s;
  CHECK(s.write(2 * kCluster + 10, "abc") == 0);
  s.store.zero_cluster(3);
  const auto extent = [&s](std::int64_t offset, std::int64_t bytes) {
    return s.store.extent(offset, bytes);
  };
  CHECK(extent(0, 10 * kCluster).state == ProbeStore::State::kUnallocated);
  CHECK(extent(0, 10 * kCluster).bytes == 2 * kCluster);
  CHECK(extent(100, 50).bytes == 50);
  CHECK(extent(2 * kCluster, 10 * kCluster).state == ProbeStore::State::kData);
  CHECK(extent(2 * kCluster + 1, 10 * kCluster).bytes == kCluster - 1);
  CHECK(extent(3 * kCluster, 10 * kCluster).state == ProbeStore::State::kZeroes);
  CHECK(extent(4 * kCluster, INT64_MAX - 4 * kCluster).bytes == INT64_MAX - 4 * kCluster);
}

TEST_CASE("x-probe: a new cluster is zero around what is written") {
  Store s;
  CHECK(s.write(kCluster + 1, "abc") == 0);
  CHECK(s.read(kCluster, 6) == std::string("\0abc\0\0", 6));
  s.store.zero_part(kCluster + 2, 1);
  CHECK(s.read(kCluster, 6) == std::string("\0a\0c\0\0", 6));
  s.store.zero_cluster(1);
  CHECK(s.write(kCluster, "x") == 0);
  CHECK(s.read(kCluster, 3) == std::string("x\0\0", 3));
}

TEST_CASE("x-probe: cutting drops whole clusters and zeroes the rest of the last") {
  Store s;
  for (std::int64_t cluster = 0; cluster < 4; ++cluster) {
    CHECK(s.write(cluster * kCluster, std::string(kCluster, 'a')) == 0);
  }
  s.store.cut(kCluster + 2);
  CHECK(s.store.allocated_clusters() == 2);
  CHECK(s.read(kCluster, 4) == std::string("aa\0\0", 4));
  s.store.cut(kCluster);
  CHECK(s.store.allocated_clusters() == 1);
  CHECK(s.store.next_allocated(0) == 0);
  CHECK_FALSE(s.store.next_allocated(1).has_value());
  s.store.cut(0);
  CHECK(s.store.data_bytes() == 0);
}
