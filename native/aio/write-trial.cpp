#include "aio/write-trial.hpp"

#include <algorithm>
#include <cstddef>

#include "aio/file.hpp"
#include "aio/on-the-spot.hpp"
#include "aio/worker-pool.hpp"

namespace blk::aio {
namespace {

std::size_t length_of(const IoOp& op) {
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < op.iovcnt; ++i) {
    bytes += op.iov[i].iov_len;
  }
  return bytes;
}

}  // namespace

WriteTrial::WriteTrial(IoOp* write, std::uint8_t mark) : write_(write) {
  engine_state = mark;
  opcode = IoOpcode::kCall;
  call = [](void* self) { return static_cast<WriteTrial*>(self)->perform(); };
  argument = this;
}

std::int64_t WriteTrial::perform() {
  const std::int64_t written = transfer_without_waiting(*write_);
  outcome_ = static_cast<int>(std::min<std::int64_t>(written, 0));
  const bool all = written >= 0 && static_cast<std::size_t>(written) == length_of(*write_);
  return all ? written : execute_blocking(*write_);
}

// EINVAL is how some file systems refuse the flag, unless the write itself is invalid.
void WriteTrial::learn() const {
  File& target = *write_->file;
  if (target.ring_writes != RingWrites::kUnknown) {
    return;
  }
  if (outcome_ == 0 || outcome_ == -EAGAIN) {
    target.ring_writes = RingWrites::kAsync;
  } else if (outcome_ == -EOPNOTSUPP || (outcome_ == -EINVAL && result != -EINVAL)) {
    target.ring_writes = RingWrites::kPunted;
  }
}

}  // namespace blk::aio
