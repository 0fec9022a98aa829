// A disk whose bytes follow from their offsets, so that every read can be judged, and that keeps
// nothing of what is written but a note.
#pragma once

#include <cstdint>
#include <vector>

#include "aio/sync.hpp"
#include "block/node.hpp"
#include "fuzz/nbd-exports.hpp"
#include "fuzz/nbd-script.hpp"

namespace blk::fuzz {

/// FNV-1a.
std::uint64_t digest_of(const std::uint8_t* data, std::size_t bytes);

/// The bytes of every disk, which is as long as this or shorter.
const Bytes& disk_pattern();

struct WriteNote {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t digest = 0;

  bool operator==(const WriteNote&) const = default;
};

class PatternDisk final : public block::Driver {
 public:
  explicit PatternDisk(std::int64_t bytes) : bytes_(bytes) {}

  void set_manner(Manner manner) { manner_ = manner; }
  /// What waits is answered; what comes from now on is not held.
  void release();
  std::vector<WriteNote>& writes() { return writes_; }

  const char* name() const override { return "pattern"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& options,
                                block::ErrorReport& report) override;
  aio::Task<std::int64_t> length() override { return bytes_; }
  bool is_protocol() const override { return true; }
  block::RequestFlags supported_write_flags() const override {
    return block::kRequestFua | block::kRequestWriteUnchanged;
  }
  block::RequestFlags supported_zero_flags() const override {
    return block::kRequestFua | block::kRequestMayUnmap | block::kRequestNoFallback;
  }
  bool has_efficient_zero_write() const override { return true; }
  bool has_discard() const override { return true; }
  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override;
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override;
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override;
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override;
  aio::Task<block::Status> flush_to_disk() override;
  aio::Task<block::BlockStatus> block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) override;

 private:
  /// Now, later in the loop, or when released.
  aio::Task<block::Status> wait_for_turn(std::int64_t offset);
  aio::Task<block::Status> wait_slowly(bool until_released);
  void note_write(std::int64_t offset, std::int64_t bytes, const block::IoView& data);

  const std::int64_t bytes_;
  aio::AioContext* context_ = nullptr;
  Manner manner_ = Manner::kAtOnce;
  aio::WaitQueue held_;
  std::vector<WriteNote> writes_;
};

}  // namespace blk::fuzz
