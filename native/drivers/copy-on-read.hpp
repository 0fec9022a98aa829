// Driver "copy-on-read": a filter through which reads copy into its file what the file does not
// have itself but its backing files do. (block/copy-on-read.c)
#pragma once

#include <cstdint>

#include "block/driver.hpp"

namespace blk::drivers {

/// With a bottom node only what comes from it or from a layer above it is copied.
class CopyOnReadDriver final : public block::FilterDriver {
 public:
  const char* name() const override { return "copy-on-read"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;

  block::RequestFlags supported_read_flags() const override { return block::kRequestPrefetch; }
  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  bool has_compressed_write() const override { return true; }
  aio::Task<block::Status> pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                              block::IoView data) override {
    return pwrite_compressed_to_child(offset, bytes, data);
  }

 private:
  aio::Task<block::Status> read_above_bottom(std::int64_t offset, std::int64_t bytes,
                                             block::IoView data, block::RequestFlags flags);
  /// What the first bytes of the range are alike in: whether they are to be copied.
  aio::Task<block::BlockStatus> find_source(std::int64_t offset, std::int64_t bytes);

  std::uint32_t bottom_ = 0;  // id of a node; 0: none
};

}  // namespace blk::drivers
