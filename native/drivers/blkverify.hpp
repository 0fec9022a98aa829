// Driver "blkverify": two images that must always have the same content. The one under test
// answers; the raw one, which is trusted, shows the first request where they differ.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block/driver.hpp"

namespace blk::drivers {

class BlkverifyDriver final : public block::Driver {
 public:
  const char* name() const override { return "blkverify"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<std::int64_t> length() override;
  bool has_variable_length() const override;
  bool is_inserted() const override;
  block::RequestFlags supported_write_flags() const override {
    return block::kRequestWriteUnchanged;
  }

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  /// As the filter that it is: of the raw image.
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;
  /// The raw image is only compared with, and its durability proves nothing.
  bool flushes_child(const block::Edge& child) const override;
  void children_changed(block::Node& node) override;

  /// first-mismatch: the offset of the first byte that differed, ENOENT before there was one.
  /// mismatches, disagreements: how many reads differed, how many results.
  std::int64_t control(const std::string& command, const std::string& argument) override;

 private:
  block::Edge& raw() const;
  block::Edge& tested() const;
  block::Status agreed(const block::Status& tested, const block::Status& raw);
  block::Status compare(std::int64_t offset, const block::IoView& data, const std::byte* expected,
                        std::int64_t bytes);

  block::Node* node_ = nullptr;
  std::int64_t first_mismatch_ = -1;
  std::int64_t mismatches_ = 0;
  std::int64_t disagreements_ = 0;
};

}  // namespace blk::drivers
