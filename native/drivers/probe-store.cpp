#include "drivers/probe-store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blk::drivers {
namespace {

std::int64_t offset_in_cluster(std::int64_t offset) { return offset % ProbeStore::kClusterBytes; }

}  // namespace

std::int64_t ProbeStore::piece(std::int64_t offset, std::int64_t bytes) {
  return std::min(bytes, kClusterBytes - offset_in_cluster(offset));
}

ProbeStore::Extent ProbeStore::extent(std::int64_t offset, std::int64_t bytes) const {
  const auto found = clusters_.lower_bound(cluster_of(offset));
  if (found == clusters_.end() || start_of(found->first) > offset) {
    const std::int64_t gap = found == clusters_.end() ? bytes : start_of(found->first) - offset;
    return {State::kUnallocated, std::min(bytes, gap)};
  }
  return {found->second ? State::kData : State::kZeroes, piece(offset, bytes)};
}

std::optional<std::int64_t> ProbeStore::next_allocated(std::int64_t cluster) const {
  const auto found = clusters_.lower_bound(cluster);
  return found == clusters_.end() ? std::nullopt : std::optional(found->first);
}

std::int64_t ProbeStore::data_bytes() const {
  return kClusterBytes * std::count_if(clusters_.begin(), clusters_.end(), [](const auto& entry) {
           return static_cast<bool>(entry.second);
         });
}

void ProbeStore::read(std::int64_t offset, const block::IoView& target, std::int64_t bytes) const {
  const auto found = clusters_.find(cluster_of(offset));
  if (found != clusters_.end() && found->second) {
    block::copy_from_linear(target, found->second.data() + offset_in_cluster(offset),
                            static_cast<std::size_t>(bytes));
  }
}

int ProbeStore::write(std::int64_t offset, const block::IoView& source, std::int64_t bytes) {
  const std::int64_t cluster = cluster_of(offset);
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end() || !found->second) {
    auto fresh = aio::AlignedBuffer::allocate(kClusterBytes, kBufferAlignment);
    if (!fresh) {
      return -ENOMEM;
    }
    std::memset(fresh.data(), 0, fresh.size());
    clusters_[cluster] = std::move(fresh);
  }
  block::copy_to_linear(clusters_[cluster].data() + offset_in_cluster(offset), source,
                        static_cast<std::size_t>(bytes));
  return 0;
}

void ProbeStore::zero_part(std::int64_t offset, std::int64_t bytes) {
  const auto found = clusters_.find(cluster_of(offset));
  if (found != clusters_.end() && found->second) {
    std::memset(found->second.data() + offset_in_cluster(offset), 0,
                static_cast<std::size_t>(bytes));
  }
}

void ProbeStore::cut(std::int64_t size) {
  const std::int64_t rest = offset_in_cluster(size);
  if (rest != 0) {
    zero_part(size, kClusterBytes - rest);
  }
  const std::int64_t first_gone = cluster_of(size) + (rest != 0 ? 1 : 0);
  clusters_.erase(clusters_.lower_bound(first_gone), clusters_.end());
}

}  // namespace blk::drivers
