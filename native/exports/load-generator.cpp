#include "exports/load-generator.hpp"

#include <cerrno>
#include <cstring>

namespace blk::exports {

using block::Operation;

void LoadGenerator::start() {
  block::Node* root = backend_.root().node.get();
  blocks_ = root != nullptr ? root->length() / options_.block_size : 0;
  memory_ =
      aio::MemoryRegion::allocate(static_cast<std::size_t>(options_.block_size) * options_.depth);
  if (blocks_ == 0 || memory_ == nullptr) {
    result_.error = memory_ == nullptr ? -ENOMEM : root == nullptr ? -ENOMEDIUM : -EINVAL;
    done_(owner_);
    return;
  }
  lanes_ = std::vector<Lane>(options_.depth);
  active_ = options_.depth;
  start_time_ = backend_.context().clock().now();
  for (std::uint32_t i = 0; i < options_.depth; ++i) {
    Lane& lane = lanes_[i];
    lane.load = this;
    lane.from_script = false;
    lane.backend = &backend_;
    lane.bytes = options_.block_size;
    lane.single = {memory_->base() + static_cast<std::int64_t>(i) * options_.block_size,
                   static_cast<std::size_t>(options_.block_size)};
    lane.region = memory_;
    lane.done = lane_done;
    schedule(lane);
  }
}

// From the ready queue: a request that finishes at once (null-co) must not recurse into the next.
void LoadGenerator::schedule(Lane& lane) {
  lane.run = submit_lane;
  backend_.context().schedule(&lane);
}

void LoadGenerator::submit_lane(aio::Runnable* item) {
  auto* lane = static_cast<Lane*>(item);
  lane->load->submit(*lane);
}

void LoadGenerator::submit(Lane& lane) {
  const bool writes =
      options_.pattern == LoadOptions::Pattern::kWrite ||
      (options_.pattern == LoadOptions::Pattern::kReadWrite && (random_() & 1) != 0);
  lane.operation = writes ? Operation::kWrite : Operation::kRead;
  lane.offset = next_block() * options_.block_size;
  lane.started = backend_.context().batch_time();
  lane.account = writes ? accounting::AccountType::kWrite : accounting::AccountType::kRead;
  lane.accounted_since = lane.started;
  backend_.submit_from_home(&lane);
}

std::int64_t LoadGenerator::next_block() {
  if (!options_.random) {
    return sequential_++ % blocks_;
  }
  return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(blocks_));
}

void LoadGenerator::lane_done(block::Request* request) {
  auto* lane = static_cast<Lane*>(request);
  lane->load->finished(*lane);
}

void LoadGenerator::finished(Lane& lane) {
  const aio::Nanoseconds now = backend_.context().batch_time();
  backend_.uncount();
  if (lane.result < 0) {
    result_.error = result_.error != 0 ? result_.error : static_cast<int>(lane.result);
    end_lane();
    return;
  }
  ++result_.requests;
  result_.bytes += static_cast<std::uint64_t>(lane.bytes);
  result_.latency.add(now - lane.started);
  if (lane.operation == Operation::kRead) {
    const auto* data = static_cast<const std::byte*>(lane.single.iov_base);
    for (std::int64_t at = 0; at + 512 <= lane.bytes; at += 512) {
      std::uint32_t word = 0;
      std::memcpy(&word, data + at, sizeof(word));
      result_.checksum += word;
    }
  }
  if (result_.error != 0 || now - start_time_ >= options_.runtime ||
      backend_.context().is_closing()) {
    end_lane();
  } else {
    schedule(lane);
  }
}

void LoadGenerator::end_lane() {
  if (--active_ == 0) {
    result_.elapsed = backend_.context().clock().now() - start_time_;
    done_(owner_);
  }
}

}  // namespace blk::exports
