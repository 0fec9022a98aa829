// The memory that descriptors refer to, by small integer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aio/memory.hpp"

namespace blk::binding {

/// Ids are reused after release: lib/ releases a region only when no view of it is left. JavaScript
/// thread only.
class RegionTable {
 public:
  std::uint32_t insert(std::shared_ptr<aio::MemoryRegion> region) {
    if (!free_.empty()) {
      const std::uint32_t id = free_.back();
      free_.pop_back();
      regions_[id] = std::move(region);
      return id;
    }
    regions_.push_back(std::move(region));
    return static_cast<std::uint32_t>(regions_.size() - 1);
  }

  /// Null for an unknown id.
  const std::shared_ptr<aio::MemoryRegion>& find(std::uint32_t id) const {
    return id < regions_.size() ? regions_[id] : regions_[0];
  }

  std::shared_ptr<aio::MemoryRegion> remove(std::uint32_t id) {
    if (id == 0 || id >= regions_.size() || regions_[id] == nullptr) {
      return nullptr;
    }
    free_.push_back(id);
    return std::move(regions_[id]);
  }

 private:
  std::vector<std::shared_ptr<aio::MemoryRegion>> regions_{nullptr};  // 0 is none
  std::vector<std::uint32_t> free_;
};

}  // namespace blk::binding
