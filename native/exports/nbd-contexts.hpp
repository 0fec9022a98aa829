// The metadata contexts that a client has chosen, and their numbers on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace blk::exports {

inline constexpr const char* kAllocationContext = "base:allocation";
inline constexpr const char* kDepthContext = "qemu:allocation-depth";
inline constexpr const char* kBitmapContext = "qemu:dirty-bitmap:";

struct NbdContexts {
  static constexpr std::uint32_t kAllocationId = 0;
  static constexpr std::uint32_t kDepthId = 1;
  static constexpr std::uint32_t kFirstBitmapId = 2;

  /// The export they were chosen for: they say nothing about another.
  std::string export_name;
  bool allocation = false;
  bool depth = false;
  /// Of the export's bitmaps, by position; the id is this plus kFirstBitmapId.
  std::vector<std::uint32_t> bitmaps;

  bool empty() const { return !allocation && !depth && bitmaps.empty(); }
};

}  // namespace blk::exports
