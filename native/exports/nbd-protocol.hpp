// The numbers of the NBD protocol (doc/proto.md of the nbd project) and its byte order.
#pragma once

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace blk::exports::nbd {

// --- handshake
inline constexpr std::uint64_t kInitMagic = 0x4e42444d41474943;    // "NBDMAGIC"
inline constexpr std::uint64_t kOptionMagic = 0x49484156454f5054;  // "IHAVEOPT"
inline constexpr std::uint64_t kOptionReplyMagic = 0x0003e889045565a9;

inline constexpr std::uint16_t kHandshakeFixedNewstyle = 1U << 0;
inline constexpr std::uint16_t kHandshakeNoZeroes = 1U << 1;
inline constexpr std::uint32_t kClientFixedNewstyle = 1U << 0;
inline constexpr std::uint32_t kClientNoZeroes = 1U << 1;

// NOLINTNEXTLINE(performance-enum-size): as wide as on the wire
enum class Option : std::uint32_t {
  kExportName = 1,
  kAbort = 2,
  kList = 3,
  kStartTls = 5,
  kInfo = 6,
  kGo = 7,
  kStructuredReply = 8,
  kListMetaContext = 9,
  kSetMetaContext = 10,
  kExtendedHeaders = 11,
};

inline constexpr std::uint32_t kReplyAck = 1;
inline constexpr std::uint32_t kReplyServer = 2;
inline constexpr std::uint32_t kReplyInfo = 3;
inline constexpr std::uint32_t kReplyMetaContext = 4;
inline constexpr std::uint32_t kReplyError = 1U << 31;
inline constexpr std::uint32_t kErrorUnsupported = kReplyError + 1;
inline constexpr std::uint32_t kErrorPolicy = kReplyError + 2;
inline constexpr std::uint32_t kErrorInvalid = kReplyError + 3;
inline constexpr std::uint32_t kErrorTlsRequired = kReplyError + 5;
inline constexpr std::uint32_t kErrorUnknown = kReplyError + 6;
inline constexpr std::uint32_t kErrorBlockSizeRequired = kReplyError + 8;
inline constexpr std::uint32_t kErrorTooBig = kReplyError + 9;
inline constexpr std::uint32_t kErrorExtendedHeadersRequired = kReplyError + 10;

inline constexpr std::uint16_t kInfoExport = 0;
inline constexpr std::uint16_t kInfoName = 1;
inline constexpr std::uint16_t kInfoDescription = 2;
inline constexpr std::uint16_t kInfoBlockSize = 3;

// --- what an export can (transmission flags)
inline constexpr std::uint16_t kHasFlags = 1U << 0;
inline constexpr std::uint16_t kReadOnly = 1U << 1;
inline constexpr std::uint16_t kSendFlush = 1U << 2;
inline constexpr std::uint16_t kSendFua = 1U << 3;
inline constexpr std::uint16_t kSendTrim = 1U << 5;
inline constexpr std::uint16_t kSendWriteZeroes = 1U << 6;
inline constexpr std::uint16_t kSendDf = 1U << 7;  // once structured replies were agreed upon
inline constexpr std::uint16_t kCanMultiConn = 1U << 8;
inline constexpr std::uint16_t kSendCache = 1U << 10;
inline constexpr std::uint16_t kSendFastZero = 1U << 11;

// --- requests
inline constexpr std::uint32_t kRequestMagic = 0x25609513;
inline constexpr std::uint32_t kExtendedRequestMagic = 0x21e41c71;
inline constexpr std::size_t kRequestBytes = 28;
inline constexpr std::size_t kExtendedRequestBytes = 32;

// NOLINTNEXTLINE(performance-enum-size): as wide as on the wire
enum class Command : std::uint16_t {
  kRead = 0,
  kWrite = 1,
  kDisconnect = 2,
  kFlush = 3,
  kTrim = 4,
  kCache = 5,
  kWriteZeroes = 6,
  kBlockStatus = 7,
};

inline constexpr std::uint16_t kFlagFua = 1U << 0;
inline constexpr std::uint16_t kFlagNoHole = 1U << 1;
inline constexpr std::uint16_t kFlagDf = 1U << 2;
inline constexpr std::uint16_t kFlagRequestOne = 1U << 3;
inline constexpr std::uint16_t kFlagFastZero = 1U << 4;
inline constexpr std::uint16_t kFlagPayloadLength = 1U << 5;

// --- replies
inline constexpr std::uint32_t kSimpleReplyMagic = 0x67446698;
inline constexpr std::uint32_t kStructuredReplyMagic = 0x668e33ef;
inline constexpr std::uint32_t kExtendedReplyMagic = 0x6e8a278c;
inline constexpr std::size_t kSimpleReplyBytes = 16;
inline constexpr std::size_t kStructuredReplyBytes = 20;
inline constexpr std::size_t kExtendedReplyBytes = 32;

inline constexpr std::uint16_t kChunkDone = 1U << 0;
inline constexpr std::uint16_t kChunkNone = 0;
inline constexpr std::uint16_t kChunkOffsetData = 1;
inline constexpr std::uint16_t kChunkBlockStatus = 5;
inline constexpr std::uint16_t kChunkBlockStatusExtended = 6;
inline constexpr std::uint16_t kChunkError = (1U << 15) + 1;

inline constexpr std::uint32_t kStateHole = 1U << 0;
inline constexpr std::uint32_t kStateZero = 1U << 1;
inline constexpr std::uint32_t kStateDirty = 1U << 0;  // of a dirty bitmap

// --- sizes
/// Bytes of a name, a description, a query: the protocol's own limit.
inline constexpr std::uint32_t kMaxString = 4096;
/// Data of one request, in bytes, as QEMU's servers and clients have it.
inline constexpr std::uint32_t kMaxPayload = 32U << 20;

/// What a negative errno is on the wire.
constexpr std::uint32_t wire_error(std::int64_t error) {
  switch (-error) {
    case EPERM:
    case EROFS:
    case EACCES:
      return 1;
    case ENOMEM:
      return 12;
    case EINVAL:
      return 22;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return 28;
    case EOVERFLOW:
      return 75;
    case ENOTSUP:
      return 95;
    case ESHUTDOWN:
      return 108;
    default:
      return 5;  // EIO
  }
}

// --- big endian
template <typename Integer>
Integer load(const std::byte* from) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>(value << 8 | std::to_integer<Integer>(from[i]));
  }
  return value;
}

/// Writes at `to` and moves it behind.
template <typename Integer>
void store(std::byte*& to, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    to[i] = static_cast<std::byte>(value >> (8 * (sizeof(Integer) - 1 - i)) & 0xff);
  }
  to += sizeof(Integer);
}

}  // namespace blk::exports::nbd
