// The data of a request: somebody else's vector, looked at.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aio/memory.hpp"

namespace blk::block {

/// A non-owning vector of buffers. `region` is set only for a single buffer that lies inside it,
/// which lets the ring use registered memory.
struct IoView {
  const iovec* iov = nullptr;
  std::uint32_t count = 0;
  const aio::MemoryRegion* region = nullptr;

  IoView() = default;
  IoView(const iovec* vector, std::uint32_t length, const aio::MemoryRegion* memory = nullptr)
      : iov(vector), count(length), region(memory) {}
};

/// True when every element starts at, and is as long as, a multiple of `alignment` (power of two).
bool is_aligned(const IoView& view, std::size_t alignment);
bool is_all_zero(const IoView& view);

/// A vector of buffers built for part of a request (a fragment, a padded request). Refers to the
/// same memory.
class IoSlice {
 public:
  IoSlice() = default;
  /// The `bytes` bytes of `view` that start `skip` bytes into it.
  IoSlice(const IoView& view, std::size_t skip, std::size_t bytes) { append(view, skip, bytes); }

  void append(void* data, std::size_t bytes);
  void append(const IoView& view, std::size_t skip, std::size_t bytes);

  IoView view() const {
    return {vector_.data(), static_cast<std::uint32_t>(vector_.size()),
            vector_.size() == 1 ? region_ : nullptr};
  }

 private:
  std::vector<iovec> vector_;
  const aio::MemoryRegion* region_ = nullptr;
};

/// For the positions of requests, which have signs; these are not negative.
inline IoSlice slice_of(const IoView& view, std::int64_t skip, std::int64_t bytes) {
  return {view, static_cast<std::size_t>(skip), static_cast<std::size_t>(bytes)};
}

void copy_to_linear(std::byte* target, const IoView& source, std::size_t bytes);
void copy_from_linear(const IoView& target, const std::byte* source, std::size_t bytes);
/// Zeroes `bytes` bytes that start `skip` bytes into the view.
void zero_range(const IoView& view, std::size_t skip, std::size_t bytes);

}  // namespace blk::block
