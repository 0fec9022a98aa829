// Widening a request to its node's alignment.
//
//          head            caller's bytes            tail
//   |-------+------ ... ------------------ ... ------+-----|
//   ^ offset (aligned)                                     ^ end (aligned)
#pragma once

#include <cstdint>

#include "aio/memory.hpp"
#include "block/io-view.hpp"

namespace blk::block {

/// The widened range and the one or two blocks that hold the foreign bytes around the caller's.
struct PaddedRequest {
  std::int64_t align = 1;
  std::int64_t head = 0;    // bytes before the caller's
  std::int64_t tail = 0;    // bytes after
  std::int64_t offset = 0;  // aligned
  std::int64_t bytes = 0;   // aligned
  aio::AlignedBuffer blocks;

  PaddedRequest(std::int64_t request_offset, std::int64_t request_bytes, std::int64_t alignment)
      : align(alignment) {
    head = request_offset & (align - 1);
    offset = request_offset - head;
    const std::int64_t end = request_offset + request_bytes;
    tail = -end & (align - 1);
    bytes = end + tail - offset;
  }

  bool needed() const { return head != 0 || tail != 0; }
  /// Two blocks when head and tail lie in different ones.
  bool has_two_blocks() const { return head != 0 && tail != 0 && bytes > align; }
  /// The blocks cover the whole range, so one read fetches both ends (TRK-9).
  bool is_one_read() const { return bytes == (has_two_blocks() ? 2 * align : align); }

  /// False when out of memory.
  bool allocate(std::size_t memory_alignment) {
    blocks = aio::AlignedBuffer::allocate(
        static_cast<std::size_t>(has_two_blocks() ? 2 * align : align), memory_alignment);
    return static_cast<bool>(blocks);
  }
  std::byte* head_block() const { return blocks.data(); }
  /// The block whose last `tail` bytes follow the caller's.
  std::byte* tail_block() const { return blocks.data() + (has_two_blocks() ? align : 0); }

  /// head bytes + the caller's vector + tail bytes.
  IoSlice widen(const IoView& data) const {
    IoSlice wide;
    if (head != 0) {
      wide.append(head_block(), static_cast<std::size_t>(head));
    }
    wide.append(data, 0, static_cast<std::size_t>(bytes - head - tail));
    if (tail != 0) {
      wide.append(tail_block() + (align - tail), static_cast<std::size_t>(tail));
    }
    return wide;
  }
};

}  // namespace blk::block
