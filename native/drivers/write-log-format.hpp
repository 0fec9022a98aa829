// The format of a write log, as the kernel's dm-log-writes defines it, so that its tools read ours:
//
//   sector 0     superblock
//   sector 1...  for each entry one sector that begins with WriteLogEntry, then its data
//
// A sector is what the superblock says, numbers are little-endian, the rest of a sector is zero.
// Flushes and discards have no data; the name of a mark lies in the entry's own sector.
#pragma once

#include <endian.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace blk::drivers {

inline constexpr std::uint64_t kWriteLogMagic = 0x6a736677736872;
inline constexpr std::uint64_t kWriteLogVersion = 1;

inline constexpr std::uint64_t kLogFlush = 1U << 0;
inline constexpr std::uint64_t kLogFua = 1U << 1;
inline constexpr std::uint64_t kLogDiscard = 1U << 2;
inline constexpr std::uint64_t kLogMark = 1U << 3;
inline constexpr std::uint64_t kLogMetadata = 1U << 4;  // the kernel's: written for a file system
inline constexpr std::uint64_t kLogAllFlags =
    kLogFlush | kLogFua | kLogDiscard | kLogMark | kLogMetadata;

template <std::size_t kCount>
void put_numbers(std::byte* target, const std::array<std::uint64_t, kCount>& numbers) {
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::uint64_t little = htole64(numbers[i]);
    std::memcpy(target + i * sizeof little, &little, sizeof little);
  }
}

template <std::size_t kCount>
std::array<std::uint64_t, kCount> get_numbers(const std::byte* source) {
  std::array<std::uint64_t, kCount> numbers{};
  for (std::size_t i = 0; i < kCount; ++i) {
    std::uint64_t little = 0;
    std::memcpy(&little, source + i * sizeof little, sizeof little);
    numbers[i] = le64toh(little);
  }
  return numbers;
}

struct WriteLogSuper {
  static constexpr std::size_t kBytes = 28;

  std::uint64_t magic = kWriteLogMagic;
  std::uint64_t version = kWriteLogVersion;
  std::uint64_t entries = 0;
  std::uint32_t sector_size = 0;

  void put(std::byte* target) const {
    const std::array<std::uint64_t, 3> numbers{magic, version, entries};
    put_numbers(target, numbers);
    const std::uint32_t little = htole32(sector_size);
    std::memcpy(target + 24, &little, sizeof little);
  }
  static WriteLogSuper get(const std::byte* source) {
    const auto numbers = get_numbers<3>(source);
    std::uint32_t little = 0;
    std::memcpy(&little, source + 24, sizeof little);
    return {numbers[0], numbers[1], numbers[2], le32toh(little)};
  }
};

struct WriteLogEntry {
  static constexpr std::size_t kBytes = 32;

  std::uint64_t sector = 0;
  std::uint64_t sectors = 0;
  std::uint64_t flags = 0;
  std::uint64_t data_bytes = 0;  // of a mark's name

  void put(std::byte* target) const {
    const std::array<std::uint64_t, 4> numbers{sector, sectors, flags, data_bytes};
    put_numbers(target, numbers);
  }
  static WriteLogEntry get(const std::byte* source) {
    const auto numbers = get_numbers<4>(source);
    return {numbers[0], numbers[1], numbers[2], numbers[3]};
  }
  /// How many sectors of data follow its own.
  std::uint64_t data_sectors() const { return (flags & kLogDiscard) != 0 ? 0 : sectors; }
};

}  // namespace blk::drivers
