// A SCSI command for a device (SG_IO), and how it lies in the memory of a request: the kernel's own
// structure holds addresses, which no caller may choose.
//
//   header (64 bytes) | command | sense | data
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace blk::block {

enum class SgDirection : std::uint8_t { kNone = 0, kToDevice = 1, kFromDevice = 2 };

struct SgIo {
  SgDirection direction = SgDirection::kNone;
  std::uint32_t timeout_ms = 0;
  std::span<std::byte> command;
  std::span<std::byte> sense;
  std::span<std::byte> data;

  // What the device answers.
  std::uint32_t status = 0;         // SCSI status
  std::uint32_t host_status = 0;    // of the host's adapter
  std::uint32_t driver_status = 0;  // of the kernel's driver
  std::uint32_t sense_bytes = 0;    // written to `sense`
  std::int32_t residual = 0;        // bytes of `data` that were not transferred
  std::uint32_t duration_ms = 0;
};

inline constexpr std::size_t kSgHeaderBytes = 64;
inline constexpr std::size_t kSgMaxCommand = 252;  // SG_MAX_CDB_SIZE
inline constexpr std::size_t kSgMaxSense = 252;

/// The command in `memory`; nothing when its parts are not exactly what there is.
std::optional<SgIo> parse_sg_io(std::span<std::byte> memory);
/// Writes the answer into the header.
void store_sg_answer(const SgIo& command, std::span<std::byte> memory);

}  // namespace blk::block
