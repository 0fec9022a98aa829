// What a range of a node is: data, zeroes, allocated, and where it lies (BDRV_BLOCK_*).
#pragma once

#include <cstdint>

namespace blk::block {

/// Answer to a block-status query: `bytes` bytes from the asked offset on are alike.
///
/// A driver may answer for more bytes than were asked for: its node cuts the answer, and remembers
/// the rest when it is data of a protocol. `allocated` is the driver's own word: whether this layer
/// decides what is read, and not the one below.
struct BlockStatus {
  std::int32_t error = 0;
  bool data = false;
  bool zero = false;
  bool allocated = false;
  bool offset_valid = false;
  bool end_of_file = false;
  std::int64_t bytes = 0;
  std::int64_t offset = 0;  // in `node`, when offset_valid
  std::uint32_t node = 0;   // id of the node that holds the bytes, or where the error arose
  std::int32_t depth = 0;   // of queries along a backing chain: 1 for the top, 2 for the next ...

  static BlockStatus failed(int error) {
    BlockStatus status;
    status.error = error;
    return status;
  }
  /// Data that lies in the asked node at the asked offset.
  static BlockStatus data_at(std::int64_t offset, std::int64_t bytes) {
    BlockStatus status;
    status.data = status.allocated = status.offset_valid = true;
    status.offset = offset;
    status.bytes = bytes;
    return status;
  }
  bool is_located_data() const { return error == 0 && data && !zero && offset_valid; }
};

/// A query along a backing chain (bdrv_common_block_status_above).
struct BlockStatusQuery {
  bool want_zero = true;
  bool include_base = false;
  std::uint32_t base = 0;  // id of the node to stop at; 0: look at the whole chain
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

/// The one range of a protocol node that was last found to be data (BST-8), so that asking for it
/// piece by piece does not ask the kernel each time.
class DataRangeCache {
 public:
  /// Bytes from `offset` on that are known to be data; 0: nothing is known.
  std::int64_t known(std::int64_t offset) const {
    return offset >= start_ && offset < end_ ? end_ - offset : 0;
  }
  /// Changes with every drop, so that an answer that was on its way meanwhile is not remembered.
  std::uint64_t generation() const { return generation_; }

  void fill(std::int64_t offset, std::int64_t bytes, std::uint64_t asked_at) {
    if (asked_at == generation_) {
      start_ = offset;
      end_ = offset + bytes;
    }
  }
  /// Something in the range may not be data any more: an overlap forgets all.
  void drop(std::int64_t offset, std::int64_t bytes) {
    ++generation_;
    if (offset < end_ && start_ < offset + bytes) {
      start_ = end_ = 0;
    }
  }
  void clear() {
    ++generation_;
    start_ = end_ = 0;
  }

 private:
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace blk::block
