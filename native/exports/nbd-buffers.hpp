// The data buffers of one connection: what a request gives back, the next one of its size takes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "aio/memory.hpp"

namespace blk::exports {

/// Powers of two from a page up. Home thread only.
class NbdBuffers {
 public:
  /// Kept for later requests, in bytes.
  static constexpr std::size_t kKept = 8U << 20;

  /// Of at least `bytes`; empty when there is no memory.
  aio::AlignedBuffer take(std::size_t bytes) {
    const std::size_t size = std::bit_ceil(bytes < kPage ? kPage : bytes);
    std::vector<aio::AlignedBuffer>& kept = kept_[class_of(size)];
    if (kept.empty()) {
      return zeroed(size);
    }
    aio::AlignedBuffer buffer = std::move(kept.back());
    kept.pop_back();
    kept_bytes_ -= size;
    return buffer;
  }

  void give_back(aio::AlignedBuffer buffer) {
    if (buffer && kept_bytes_ + buffer.size() <= kKept) {
      kept_bytes_ += buffer.size();
      kept_[class_of(buffer.size())].push_back(std::move(buffer));
    }
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kClasses = 16;  // up to 128 MiB

  /// Some drivers leave memory as it is (null-co), and what others had in it is no client's
  /// business. A buffer that was given back holds what this client has seen or sent.
  static aio::AlignedBuffer zeroed(std::size_t size) {
    aio::AlignedBuffer buffer = aio::AlignedBuffer::allocate(size, kPage);
    if (buffer) {
      std::memset(buffer.data(), 0, size);
    }
    return buffer;
  }

  static std::size_t class_of(std::size_t size) {
    return static_cast<std::size_t>(std::countr_zero(size / kPage));
  }

  std::array<std::vector<aio::AlignedBuffer>, kClasses> kept_;
  std::size_t kept_bytes_ = 0;
};

}  // namespace blk::exports
