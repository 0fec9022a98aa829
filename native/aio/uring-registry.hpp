// Files and memory regions registered with one ring: spares the kernel the look-up of a descriptor
// and the pinning of pages for every operation.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "aio/file.hpp"
#include "aio/memory.hpp"

namespace blk::aio {

/// Both tables are sparse and made with the ring (a kernel before 5.13 waits for the ring to be
/// idle when a table is made, which a ring with a pending doorbell read never is). Files and
/// regions enter them at their first operation and leave them when they are forgotten. Whatever
/// cannot be registered runs with its plain descriptor or address.
class UringRegistry {
 public:
  static constexpr unsigned kFiles = 1024;
  static constexpr unsigned kRegions = 64;
  /// The kernel takes at most 1 GiB as one registered buffer.
  static constexpr std::size_t kLargestRegion = std::size_t{1} << 30;
  static constexpr int kNone = -1;

  /// `ring` must outlive the registry and have nothing in flight yet.
  explicit UringRegistry(io_uring& ring) : ring_(ring) {}
  UringRegistry(const UringRegistry&) = delete;
  UringRegistry& operator=(const UringRegistry&) = delete;

  void open();

  /// The file's slot, or kNone.
  int file_slot(File& file) { return file.ring_slot >= 0 ? file.ring_slot : register_file(file); }
  /// The region's slot, or kNone.
  int region_slot(const MemoryRegion& region) {
    if (region.id() != last_region_) {
      last_region_ = region.id();
      last_slot_ = find_region(region);
    }
    return last_slot_;
  }

  void forget_file(File& file);
  void forget_region(const MemoryRegion& region);

 private:
  // File::ring_slot of a file that the kernel refused: not asked again for every operation.
  static constexpr std::int32_t kRefused = -2;

  int register_file(File& file);
  int find_region(const MemoryRegion& region);
  int register_region(const MemoryRegion& region);
  void forget_refused_regions();

  io_uring& ring_;
  std::vector<int> free_files_;  // used as stacks
  std::vector<int> free_regions_;
  std::unordered_map<std::uint64_t, int> regions_;  // id -> slot, or kNone: refused
  std::uint64_t last_region_ = UINT64_MAX;          // the region asked for last: mostly the same
  int last_slot_ = kNone;
};

}  // namespace blk::aio
