// Reading the data of options, which the peer made, and writing that of replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "exports/nbd-protocol.hpp"

namespace blk::exports {

/// Every read says false once there is less left than it wants.
class NbdOptionReader {
 public:
  explicit NbdOptionReader(const std::vector<std::byte>& data)
      : at_(data.data()), left_(data.size()) {}

  template <typename Integer>
  bool number(Integer& value) {
    if (left_ < sizeof(Integer)) {
      return false;
    }
    value = nbd::load<Integer>(at_);
    skip(sizeof(Integer));
    return true;
  }

  /// 32 bits of length, and as many bytes: a string, within the protocol's limit or not.
  bool string(std::string_view& value) {
    std::uint32_t length = 0;
    return number(length) && bytes(value, length);
  }
  bool bytes(std::string_view& value, std::size_t length) {
    if (left_ < length) {
      return false;
    }
    value = {reinterpret_cast<const char*>(at_), length};
    skip(length);
    return true;
  }
  std::size_t left() const { return left_; }

 private:
  void skip(std::size_t bytes) {
    at_ += bytes;
    left_ -= bytes;
  }

  const std::byte* at_;
  std::size_t left_;
};

template <typename Integer>
void append(std::vector<std::byte>& to, Integer value) {
  std::byte bytes[sizeof(Integer)];
  std::byte* at = bytes;
  nbd::store(at, value);
  to.insert(to.end(), bytes, bytes + sizeof(Integer));
}

inline void append(std::vector<std::byte>& to, std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  to.insert(to.end(), bytes, bytes + text.size());
}

}  // namespace blk::exports
