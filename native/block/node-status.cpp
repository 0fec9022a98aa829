// Block status: of one layer, and along a backing chain.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

Task<BlockStatus> Node::block_status(bool want_zero, std::int64_t offset, std::int64_t bytes) {
  count();
  InFlight counted(*this);
  BlockStatus status;
  if (Status range = check_range(offset, bytes); !range.ok()) {
    status.error = range.error;
    status.node = id();
    co_return status;
  }
  const std::int64_t end = co_await current_length();
  if (end < 0 || offset >= end || bytes == 0) {
    status.error = static_cast<std::int32_t>(std::min<std::int64_t>(end, 0));
    status.node = end < 0 ? id() : 0;
    status.end_of_file = end >= 0 && offset >= end;
    co_return status;
  }
  const std::int64_t align = limits_.request_alignment;
  const std::int64_t start = offset & ~(align - 1);
  const std::int64_t wanted = std::min(bytes, end - offset);
  const std::int64_t aligned_end = (offset + wanted + align - 1) & ~(align - 1);
  status = co_await aligned_status(want_zero, start, aligned_end - start);
  if (status.error != 0) {
    status.node = status.node != 0 ? status.node : id();
    co_return status;
  }
  status.offset += offset - start;
  status.bytes = std::min(status.bytes - (offset - start), wanted);
  if (status.bytes <= 0) {
    // A layer below is shorter than this one says: what lies past its end reads as zeroes.
    status = BlockStatus();
    status.zero = status.allocated = true;
    status.bytes = wanted;
  }
  if (status.offset_valid && status.node == 0) {
    status.node = id();
  }
  if (!status.allocated && !status.zero && driver_->supports_backing()) {
    status.zero = co_await is_past_backing(offset, want_zero);
  }
  status.end_of_file = offset + status.bytes >= end;
  co_return status;
}

Task<BlockStatus> Node::aligned_status(bool want_zero, std::int64_t offset, std::int64_t bytes) {
  if (const std::int64_t known = data_cache_.known(offset); known > 0) {
    co_return BlockStatus::data_at(offset, known);
  }
  const std::uint64_t generation = data_cache_.generation();
  BlockStatus status = co_await driver_->block_status(want_zero, offset, bytes);
  if (want_zero && driver_->is_protocol() && status.is_located_data()) {
    data_cache_.fill(offset, status.bytes, generation);
  }
  co_return status;
}

const Edge* Node::backing_child() const {
  const auto backing = std::find_if(children_.begin(), children_.end(), [](const auto& child) {
    return (child->role & kChildCow) != 0;
  });
  return backing == children_.end() ? nullptr : backing->get();
}

// What no layer holds reads as zeroes: without a backing file, and past the end of a shorter one.
// Who does not ask for zeroes need not have the latter looked at (BST-3).
Task<bool> Node::is_past_backing(std::int64_t offset, bool want_zero) const {
  const Edge* backing = backing_child();
  if (backing == nullptr) {
    co_return true;
  }
  if (!want_zero) {
    co_return false;
  }
  const std::int64_t length = co_await backing->node->current_length();
  co_return length >= 0 && offset >= length;
}

Node* Node::next_layer() const {
  const auto next = std::find_if(children_.begin(), children_.end(), [](const auto& child) {
    return (child->role & (kChildCow | kChildFiltered)) != 0;
  });
  return next == children_.end() ? nullptr : (*next)->node.get();
}

Node* Node::backing_layer() const {
  for (const Node* layer = this; layer != nullptr;) {
    const Edge* filtered = nullptr;
    for (const auto& child : layer->children_) {
      if ((child->role & kChildCow) != 0) {
        return child->node.get();
      }
      filtered = (child->role & kChildFiltered) != 0 ? child.get() : filtered;
    }
    layer = filtered != nullptr ? filtered->node.get() : nullptr;
  }
  return nullptr;
}

bool Node::is_above(std::uint32_t base) const {
  const Node* layer = this;
  while (layer != nullptr && layer->id() != base) {
    layer = layer->next_layer();
  }
  return layer != nullptr;
}

// As long as no layer has it allocated, the next one may know more, but only about the bytes that
// all layers above said the same of. Whoever asks is in flight, so the chain stays as it is.
Task<BlockStatus> Node::block_status_above(BlockStatusQuery query) {
  count();
  InFlight counted(*this);
  BlockStatus status;
  if (query.base != 0 && !is_above(query.base)) {
    status.error = -EINVAL;
    co_return status;
  }
  if (query.base == id() && !query.include_base) {
    status.bytes = query.bytes;
    co_return status;
  }
  status = co_await block_status(query.want_zero, query.offset, query.bytes);
  status.depth = 1;
  const std::int64_t end = status.end_of_file ? query.offset + status.bytes : -1;
  for (const Node* layer = this;;) {
    if (status.error != 0 || status.bytes == 0 || status.allocated || layer->id() == query.base) {
      break;
    }
    Node* next = layer->next_layer();
    if (next == nullptr || (next->id() == query.base && !query.include_base)) {
      break;
    }
    const std::int64_t left = status.bytes;
    const std::int32_t depth = status.depth + 1;
    status = co_await next->block_status(query.want_zero, query.offset, left);
    if (status.error == 0 && status.bytes == 0) {
      // This layer is too short: the zeroes past its end are its word.
      status = BlockStatus();
      status.zero = status.allocated = true;
      status.bytes = left;
    }
    status.depth = depth;
    layer = next;
  }
  // The end of a layer below is not ours.
  status.end_of_file =
      status.error == 0 &&
      (status.bytes == 0 ? status.end_of_file : query.offset + status.bytes == end);
  co_return status;
}

}  // namespace blk::block
