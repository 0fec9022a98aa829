// By which bytes image formats are recognised, as lib/ lists them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blk::drivers {

/// Bytes of an image's header that tell its format.
class Signatures {
 public:
  /// "0:514649fb,64:7f10dabe": offsets and bytes in hexadecimal. What cannot be read is left out.
  static Signatures parse(std::string_view text);

  bool empty() const { return list_.empty(); }
  /// Whether the header is one of these formats'.
  bool match(std::span<const std::byte> header) const;

 private:
  struct Signature {
    std::size_t offset = 0;
    std::vector<std::byte> bytes;
  };
  std::vector<Signature> list_;
};

}  // namespace blk::drivers
