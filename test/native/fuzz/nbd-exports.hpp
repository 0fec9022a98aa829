// What the server of the fuzzer exports: known to whoever sets it up, and to the judge.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace blk::fuzz {

/// Of the larger of its two disks, in bytes.
inline constexpr std::int64_t kDiskBytes = 1 << 20;
inline constexpr std::int64_t kSmallBytes = 513 * 512;
/// Reads and writes that touch these bytes fail.
inline constexpr std::int64_t kBadStart = 700 * 1024;
inline constexpr std::int64_t kBadEnd = 704 * 1024;

struct ExportFacts {
  std::string name;
  std::string description;
  bool small = false;  // on the smaller disk
  bool read_only = false;
  bool contexts = false;  // allocation depth, and the bitmaps b0 and b1
  std::uint32_t min_block = 1;

  std::int64_t size() const { return small ? kSmallBytes : kDiskBytes; }
};

inline const std::array<ExportFacts, 4>& all_exports() {
  static const std::array<ExportFacts, 4> exports = {{
      {"disk", "", false, false, false, 1},
      {"", "the default export", true, true, false, 1},
      {"blocks", "", false, false, true, 512},
      {std::string(300, 'n'), std::string(4000, 'd'), true, false, true, 1},
  }};
  return exports;
}

/// Null: there is none of that name.
inline const ExportFacts* find_export(std::string_view name) {
  for (const ExportFacts& facts : all_exports()) {
    if (facts.name == name) {
      return &facts;
    }
  }
  return nullptr;
}

}  // namespace blk::fuzz
