// The NBD protocol as a client writes and reads it (doc/proto.md of the nbd project). Nothing of
// the server that is judged is used here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace blk::fuzz {

using Bytes = std::vector<std::uint8_t>;

namespace wire {

inline constexpr std::uint64_t kGreeting = 0x4e42444d41474943;
inline constexpr std::uint64_t kOption = 0x49484156454f5054;
inline constexpr std::uint64_t kOptionReply = 0x3e889045565a9;
inline constexpr std::uint32_t kRequest = 0x25609513;
inline constexpr std::uint32_t kExtendedRequest = 0x21e41c71;
inline constexpr std::uint32_t kSimpleReply = 0x67446698;
inline constexpr std::uint32_t kStructuredReply = 0x668e33ef;
inline constexpr std::uint32_t kExtendedReply = 0x6e8a278c;

inline constexpr std::uint32_t kExportName = 1;
inline constexpr std::uint32_t kAbort = 2;
inline constexpr std::uint32_t kList = 3;
inline constexpr std::uint32_t kStartTls = 5;
inline constexpr std::uint32_t kInfo = 6;
inline constexpr std::uint32_t kGo = 7;
inline constexpr std::uint32_t kStructured = 8;
inline constexpr std::uint32_t kListMeta = 9;
inline constexpr std::uint32_t kSetMeta = 10;
inline constexpr std::uint32_t kExtended = 11;

inline constexpr std::uint32_t kAck = 1;
inline constexpr std::uint32_t kServer = 2;
inline constexpr std::uint32_t kInfoReply = 3;
inline constexpr std::uint32_t kMetaReply = 4;
inline constexpr std::uint32_t kErrorBit = 1U << 31;
inline constexpr std::uint32_t kTooBig = kErrorBit + 9;

inline constexpr std::uint16_t kRead = 0;
inline constexpr std::uint16_t kWrite = 1;
inline constexpr std::uint16_t kDisconnect = 2;
inline constexpr std::uint16_t kFlush = 3;
inline constexpr std::uint16_t kTrim = 4;
inline constexpr std::uint16_t kCache = 5;
inline constexpr std::uint16_t kWriteZeroes = 6;
inline constexpr std::uint16_t kBlockStatus = 7;

inline constexpr std::uint16_t kFua = 1;
inline constexpr std::uint16_t kNoHole = 2;
inline constexpr std::uint16_t kDf = 4;
inline constexpr std::uint16_t kReqOne = 8;
inline constexpr std::uint16_t kFastZero = 16;
inline constexpr std::uint16_t kPayload = 32;

inline constexpr std::uint32_t kMostOption = 64 * 1024;  // bytes, docs/nbd.md
inline constexpr std::uint64_t kMostData = 32U << 20;    // bytes, docs/nbd.md

}  // namespace wire

/// Puts numbers one after the other, big endian.
class Writer {
 public:
  template <typename Integer>
  Writer& number(Integer value) {
    for (std::size_t left = sizeof(Integer); left > 0; --left) {
      bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * (left - 1)) & 0xff));
    }
    return *this;
  }
  Writer& raw(const Bytes& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  /// 32 bits of length, and the text.
  Writer& text(std::string_view value) {
    return number(static_cast<std::uint32_t>(value.size())).raw(value);
  }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

/// Takes numbers one after the other. What is not there is 0, and is_short() from then on.
class Reader {
 public:
  Reader(const std::uint8_t* data, std::size_t bytes) : at_(data), left_(bytes) {}
  explicit Reader(const Bytes& bytes) : Reader(bytes.data(), bytes.size()) {}

  template <typename Integer>
  Integer number() {
    Integer value = 0;
    if (const std::uint8_t* from = skip(sizeof(Integer)); from != nullptr) {
      for (std::size_t i = 0; i < sizeof(Integer); ++i) {
        value = static_cast<Integer>(static_cast<std::uint64_t>(value) << 8 | from[i]);
      }
    }
    return value;
  }
  std::string_view text(std::size_t bytes) {
    const std::uint8_t* from = skip(bytes);
    return from == nullptr ? std::string_view()
                           : std::string_view(reinterpret_cast<const char*>(from), bytes);
  }
  /// Null, and nothing is left, where there are fewer.
  const std::uint8_t* skip(std::uint64_t bytes) {
    if (bytes > left_) {
      short_ = true;
      left_ = 0;
      return nullptr;
    }
    const std::uint8_t* from = at_;
    at_ += bytes;
    left_ -= static_cast<std::size_t>(bytes);
    return from;
  }
  std::size_t left() const { return left_; }
  bool is_short() const { return short_; }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
  bool short_ = false;
};

}  // namespace blk::fuzz
