#include "drivers/signatures.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace blk::drivers {

namespace {

template <typename Number>
std::optional<Number> number_in(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

std::vector<std::byte> bytes_in(std::string_view hexadecimal) {
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 2 <= hexadecimal.size(); at += 2) {
    const auto value = number_in<std::uint8_t>(hexadecimal.substr(at, 2), 16);
    if (!value) {
      return {};
    }
    bytes.push_back(std::byte{*value});
  }
  return bytes;
}

}  // namespace

Signatures Signatures::parse(std::string_view text) {
  Signatures signatures;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), entry.size() + 1));
    const std::size_t colon = entry.find(':');
    if (colon == std::string_view::npos) {
      continue;
    }
    const auto offset = number_in<std::size_t>(entry.substr(0, colon), 10);
    std::vector<std::byte> bytes = bytes_in(entry.substr(colon + 1));
    if (offset && !bytes.empty()) {
      signatures.list_.push_back({*offset, std::move(bytes)});
    }
  }
  return signatures;
}

bool Signatures::match(std::span<const std::byte> header) const {
  return std::any_of(list_.begin(), list_.end(), [header](const Signature& signature) {
    return signature.offset + signature.bytes.size() <= header.size() &&
           std::equal(signature.bytes.begin(), signature.bytes.end(),
                      header.begin() + static_cast<std::ptrdiff_t>(signature.offset));
  });
}

}  // namespace blk::drivers
