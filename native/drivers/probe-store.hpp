// The bytes of an x-probe node without a data child: clusters in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "aio/memory.hpp"
#include "block/io-view.hpp"

namespace blk::drivers {

/// Home thread only. Knows nothing of backing files: what is not allocated is its owner's business.
class ProbeStore {
 public:
  static constexpr std::int64_t kClusterBytes = 65536;
  static constexpr std::size_t kBufferAlignment = 4096;

  enum class State : std::uint8_t { kUnallocated, kZeroes, kData };
  struct Extent {
    State state = State::kUnallocated;
    std::int64_t bytes = 0;
  };

  static std::int64_t cluster_of(std::int64_t offset) { return offset / kClusterBytes; }
  static std::int64_t start_of(std::int64_t cluster) { return cluster * kClusterBytes; }
  /// How much of [offset, offset + bytes) lies in the cluster of `offset`.
  static std::int64_t piece(std::int64_t offset, std::int64_t bytes);

  /// What the first bytes of the range are alike in; data never crosses a cluster.
  Extent extent(std::int64_t offset, std::int64_t bytes) const;
  bool is_allocated(std::int64_t cluster) const { return clusters_.contains(cluster); }
  /// The first allocated cluster that is not before `cluster`.
  std::optional<std::int64_t> next_allocated(std::int64_t cluster) const;
  std::int64_t allocated_clusters() const { return static_cast<std::int64_t>(clusters_.size()); }
  std::int64_t data_bytes() const;

  /// Copies from one cluster, which has data, to `target`.
  void read(std::int64_t offset, const block::IoView& target, std::int64_t bytes) const;
  /// Copies into one cluster, whose other bytes become zeroes when it was not allocated. 0 or
  /// ENOMEM.
  int write(std::int64_t offset, const block::IoView& source, std::int64_t bytes);
  /// Zeroes a part of one cluster that has data.
  void zero_part(std::int64_t offset, std::int64_t bytes);
  /// Makes all of the cluster allocated zeroes.
  void zero_cluster(std::int64_t cluster) { clusters_[cluster] = aio::AlignedBuffer(); }
  /// Forgets the clusters from `first` up to `end`.
  void drop_range(std::int64_t first, std::int64_t end) {
    clusters_.erase(clusters_.lower_bound(first), clusters_.lower_bound(end));
  }
  void clear() { clusters_.clear(); }
  /// Forgets what lies at `size` and after it.
  void cut(std::int64_t size);

 private:
  /// No buffer: the cluster reads as zeroes.
  std::map<std::int64_t, aio::AlignedBuffer> clusters_;
};

}  // namespace blk::drivers
