#include "block/io-view.hpp"

#include <algorithm>
#include <cstring>

namespace blk::block {
namespace {

/// Calls `visit(pointer, length)` for the parts of the view that [skip, skip + bytes) covers.
template <typename Visit>
void for_range(const IoView& view, std::size_t skip, std::size_t bytes, Visit visit) {
  for (std::uint32_t i = 0; i < view.count && bytes > 0; ++i) {
    const iovec& part = view.iov[i];
    if (skip >= part.iov_len) {
      skip -= part.iov_len;
      continue;
    }
    const std::size_t length = std::min(part.iov_len - skip, bytes);
    visit(static_cast<std::byte*>(part.iov_base) + skip, length);
    skip = 0;
    bytes -= length;
  }
}

bool is_zero(const std::byte* data, std::size_t bytes) {
  // Comparing the buffer with itself shifted by one lets memcmp do the work at full width.
  return bytes == 0 || (data[0] == std::byte{0} && std::memcmp(data, data + 1, bytes - 1) == 0);
}

}  // namespace

bool is_aligned(const IoView& view, std::size_t alignment) {
  std::uintptr_t bits = 0;
  for (std::uint32_t i = 0; i < view.count; ++i) {
    bits |= reinterpret_cast<std::uintptr_t>(view.iov[i].iov_base) | view.iov[i].iov_len;
  }
  return (bits & (alignment - 1)) == 0;
}

bool is_all_zero(const IoView& view) {
  for (std::uint32_t i = 0; i < view.count; ++i) {
    if (!is_zero(static_cast<const std::byte*>(view.iov[i].iov_base), view.iov[i].iov_len)) {
      return false;
    }
  }
  return true;
}

void IoSlice::append(void* data, std::size_t bytes) {
  if (bytes > 0) {
    vector_.push_back({data, bytes});
    region_ = nullptr;
  }
}

void IoSlice::append(const IoView& view, std::size_t skip, std::size_t bytes) {
  for_range(view, skip, bytes,
            [this](std::byte* data, std::size_t length) { vector_.push_back({data, length}); });
  region_ = vector_.size() == 1 ? view.region : nullptr;
}

void copy_to_linear(std::byte* target, const IoView& source, std::size_t bytes) {
  for_range(source, 0, bytes, [&target](const std::byte* data, std::size_t length) {
    std::memcpy(target, data, length);
    target += length;
  });
}

void copy_from_linear(const IoView& target, const std::byte* source, std::size_t bytes) {
  for_range(target, 0, bytes, [&source](std::byte* data, std::size_t length) {
    std::memcpy(data, source, length);
    source += length;
  });
}

void zero_range(const IoView& view, std::size_t skip, std::size_t bytes) {
  for_range(view, skip, bytes,
            [](std::byte* data, std::size_t length) { std::memset(data, 0, length); });
}

}  // namespace blk::block
