#include "drivers/null.hpp"

#include <cerrno>
#include <string>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

Task<Status> NullDriver::open(block::Node& node, const block::Options& options,
                              block::ErrorReport& report) {
  context_ = &node.context();
  size_ = options.get_int("size", std::int64_t{1} << 30);
  latency_ns_ = options.get_int("latency-ns", 0);
  read_zeroes_ = options.get_bool("read-zeroes", false);
  if (latency_ns_ < 0) {
    return Status(
        report.fail(-EINVAL, "latency-negative", {{"latency-ns", std::to_string(latency_ns_)}}));
  }
  if (size_ < 0) {
    return Status(report.fail(-EINVAL, "size-negative", {{"size", std::to_string(size_)}}));
  }
  return Status();
}

Task<Status> NullDriver::answer() {
  if (latency_ns_ == 0 && !answers_later_) {
    return Status();
  }
  return answer_later();
}

Task<Status> NullDriver::answer_later() {
  if (latency_ns_ > 0) {
    aio::SleepUntil timer(*context_, context_->clock().now() + latency_ns_);
    co_await timer;
  } else {
    aio::Reschedule bottom_half(*context_);
    co_await bottom_half;
  }
  co_return Status();
}

Task<Status> NullDriver::preadv(std::int64_t /*offset*/, std::int64_t bytes, block::IoView data,
                                block::RequestFlags /*flags*/) {
  if (read_zeroes_) {
    block::zero_range(data, 0, static_cast<std::size_t>(bytes));
  }
  return answer();
}

Task<Status> NullDriver::pwritev(std::int64_t /*offset*/, std::int64_t /*bytes*/,
                                 block::IoView /*data*/, block::RequestFlags /*flags*/) {
  return answer();
}

block::DirectStep NullDriver::direct_step(const block::Transfer& transfer) const {
  if (latency_ns_ == 0) {
    return {};
  }
  return {block::Passage::kHere, nullptr, transfer.offset};
}

void NullDriver::start_direct(const block::Transfer& transfer, block::DirectTransfer& direct) {
  if (read_zeroes_ && !transfer.is_write) {
    block::zero_range(transfer.data, 0, static_cast<std::size_t>(transfer.bytes));
  }
  direct.sleep_until(*context_, context_->clock().now() + latency_ns_);
}

Task<block::BlockStatus> NullDriver::block_status(bool /*want_zero*/, std::int64_t offset,
                                                  std::int64_t bytes) {
  block::BlockStatus status;
  status.offset_valid = true;
  status.zero = status.allocated = read_zeroes_;
  status.offset = offset;
  status.bytes = bytes;
  return status;
}

}  // namespace blk::drivers
