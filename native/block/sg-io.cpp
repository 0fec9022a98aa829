#include "block/sg-io.hpp"

#include <array>
#include <cstring>

namespace blk::block {
namespace {

/// The header, as lib/backend/sg-io.ts writes and reads it.
struct Header {
  std::uint32_t direction;
  std::uint32_t timeout_ms;
  std::uint32_t command_bytes;
  std::uint32_t sense_bytes;
  std::uint32_t data_bytes;
  std::uint32_t status;
  std::uint32_t host_status;
  std::uint32_t driver_status;
  std::uint32_t sense_written;
  std::int32_t residual;
  std::uint32_t duration_ms;
  std::array<std::uint32_t, 5> unused;
};
static_assert(sizeof(Header) == kSgHeaderBytes);

Header read_header(std::span<const std::byte> memory) {
  Header header{};
  std::memcpy(&header, memory.data(), sizeof(header));
  return header;
}

}  // namespace

std::optional<SgIo> parse_sg_io(std::span<std::byte> memory) {
  if (memory.size() < kSgHeaderBytes) {
    return std::nullopt;
  }
  const Header header = read_header(memory);
  const std::size_t parts =
      std::size_t{header.command_bytes} + header.sense_bytes + header.data_bytes;
  if (header.direction > static_cast<std::uint32_t>(SgDirection::kFromDevice) ||
      header.command_bytes == 0 || header.command_bytes > kSgMaxCommand ||
      header.sense_bytes > kSgMaxSense || memory.size() != kSgHeaderBytes + parts) {
    return std::nullopt;
  }
  SgIo command;
  command.direction = static_cast<SgDirection>(header.direction);
  command.timeout_ms = header.timeout_ms;
  command.command = memory.subspan(kSgHeaderBytes, header.command_bytes);
  command.sense = memory.subspan(kSgHeaderBytes + header.command_bytes, header.sense_bytes);
  command.data = memory.last(header.data_bytes);
  return command;
}

void store_sg_answer(const SgIo& command, std::span<std::byte> memory) {
  Header header = read_header(memory);
  header.status = command.status;
  header.host_status = command.host_status;
  header.driver_status = command.driver_status;
  header.sense_written = command.sense_bytes;
  header.residual = command.residual;
  header.duration_ms = command.duration_ms;
  std::memcpy(memory.data(), &header, sizeof(header));
}

}  // namespace blk::block
