#include "drivers/blkverify.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "aio/memory.hpp"
#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

namespace {

constexpr std::int64_t kNoMismatch = -1;

/// A request that runs beside the coroutine that started it. Must be waited for.
class Beside {
 public:
  explicit Beside(aio::AioContext& context) : context_(context) {}
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  void start(Task<Status> request) { run(*this, std::move(request)); }

  Task<Status> wait() {
    if (!done_) {
      co_await waiting_.wait();
    }
    co_return result_;
  }

 private:
  static aio::Detached run(Beside& self, Task<Status> request) {
    Status status = co_await request;
    self.result_ = status;
    self.done_ = true;
    self.waiting_.wake_all(self.context_);
  }

  aio::AioContext& context_;
  Status result_;
  bool done_ = false;
  aio::WaitQueue waiting_;
};

/// Where the view differs from `expected`, or -1.
std::int64_t first_difference(const block::IoView& data, const std::byte* expected,
                              std::int64_t bytes) {
  std::int64_t done = 0;
  for (std::uint32_t i = 0; i < data.count && done < bytes; ++i) {
    const auto* part = static_cast<const std::byte*>(data.iov[i].iov_base);
    const std::int64_t length =
        std::min(static_cast<std::int64_t>(data.iov[i].iov_len), bytes - done);
    const auto [differs, unused] = std::mismatch(part, part + length, expected + done);
    if (differs != part + length) {
      return done + (differs - part);
    }
    done += length;
  }
  return -1;
}

}  // namespace

Task<Status> BlkverifyDriver::open(block::Node& node, const block::Options& /*options*/,
                                   block::ErrorReport& /*report*/) {
  node_ = &node;
  return Status(node.primary_child() != nullptr && node.children().size() == 2 ? 0 : -EINVAL);
}

// As a filter it can be taken out of the graph while somebody holds it still: what is below relies
// on both images, and is not asked any more then.
void BlkverifyDriver::children_changed(block::Node& node) {
  node.eject(node.primary_child() == nullptr);
}

block::Edge& BlkverifyDriver::raw() const { return *node_->primary_child(); }

block::Edge& BlkverifyDriver::tested() const {
  const auto& children = node_->children();
  const auto found = std::find_if(children.begin(), children.end(), [](const auto& child) {
    return (child->role & block::kChildPrimary) == 0;
  });
  return **found;
}

Task<std::int64_t> BlkverifyDriver::length() { return tested().node->current_length(); }

bool BlkverifyDriver::has_variable_length() const { return tested().node->has_variable_length(); }

bool BlkverifyDriver::is_inserted() const {
  return node_->primary_child() != nullptr && tested().node->is_inserted() &&
         raw().node->is_inserted();
}

bool BlkverifyDriver::flushes_child(const block::Edge& child) const {
  return &child != node_->primary_child();
}

Task<Status> BlkverifyDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                     block::RequestFlags flags) {
  block::Edge& reference = raw();
  const auto buffer = aio::AlignedBuffer::allocate(
      static_cast<std::size_t>(bytes), reference.node->limits().optimal_memory_alignment);
  if (!buffer) {
    co_return Status(-ENOMEM);
  }
  const iovec iov{buffer.data(), buffer.size()};
  const block::IoView expected(&iov, 1);
  Beside beside(node_->context());
  beside.start(reference.node->preadv(reference, offset, bytes, expected, flags));
  block::Edge& under_test = tested();
  Status status = co_await under_test.node->preadv(under_test, offset, bytes, data, flags);
  Status raw_status = co_await beside.wait();
  status = agreed(status, raw_status);
  if (!status.ok()) {
    co_return status;
  }
  co_return compare(offset, data, buffer.data(), bytes);
}

Task<Status> BlkverifyDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                      block::RequestFlags flags) {
  block::Edge& reference = raw();
  Beside beside(node_->context());
  beside.start(reference.node->pwritev(reference, offset, bytes, data, flags));
  block::Edge& under_test = tested();
  Status status = co_await under_test.node->pwritev(under_test, offset, bytes, data, flags);
  Status raw_status = co_await beside.wait();
  co_return agreed(status, raw_status);
}

Task<block::BlockStatus> BlkverifyDriver::block_status(bool want_zero, std::int64_t offset,
                                                       std::int64_t bytes) {
  return raw().node->block_status(want_zero, offset, bytes);
}

Status BlkverifyDriver::agreed(const Status& tested_status, const Status& raw_status) {
  if (tested_status.error == raw_status.error) {
    return tested_status;
  }
  ++disagreements_;
  return {-EIO};
}

Status BlkverifyDriver::compare(std::int64_t offset, const block::IoView& data,
                                const std::byte* expected, std::int64_t bytes) {
  const std::int64_t differs = first_difference(data, expected, bytes);
  if (differs < 0) {
    return {};
  }
  ++mismatches_;
  if (first_mismatch_ == kNoMismatch) {
    first_mismatch_ = offset + differs;
  }
  return {-EIO};
}

std::int64_t BlkverifyDriver::control(const std::string& command, const std::string& /*argument*/) {
  if (command == "first-mismatch") {
    return first_mismatch_ == kNoMismatch ? -ENOENT : first_mismatch_;
  }
  if (command == "mismatches") {
    return mismatches_;
  }
  return command == "disagreements" ? disagreements_ : -ENOTSUP;
}

}  // namespace blk::drivers
