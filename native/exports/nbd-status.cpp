#include "exports/nbd-status.hpp"

#include <algorithm>
#include <cerrno>

#include "exports/nbd-option-data.hpp"

namespace blk::exports {

using aio::Task;
using block::Operation;
using block::StatusMemory;

namespace {

bool has(const StatusMemory& memory, block::StatusFlag flag) {
  return (static_cast<unsigned>(memory.flags) & flag) != 0;
}

std::uint32_t allocation_state(const StatusMemory& memory) {
  return (has(memory, block::kStatusData) ? 0 : nbd::kStateHole) |
         (has(memory, block::kStatusZero) ? nbd::kStateZero : 0);
}

// How many layers down the bytes are; 0 where no layer has them.
std::uint32_t depth_of(const StatusMemory& memory) {
  return has(memory, block::kStatusAllocated) ? static_cast<std::uint32_t>(memory.depth) : 0;
}

}  // namespace

Task<int> NbdStatus::run() {
  request_.status.clear();
  chunks_left_ = static_cast<std::uint32_t>(contexts_.bitmaps.size()) +
                 (contexts_.allocation ? 1 : 0) + (contexts_.depth ? 1 : 0);
  if (contexts_.allocation) {
    if (int error = co_await ask(/*depth=*/false); error != 0) {
      co_return error;
    }
    append_chunk(NbdContexts::kAllocationId);
  }
  if (contexts_.depth) {
    if (int error = co_await ask(/*depth=*/true); error != 0) {
      co_return error;
    }
    append_chunk(NbdContexts::kDepthId);
  }
  for (const std::uint32_t index : contexts_.bitmaps) {
    if (int error = look_up(item_.options().bitmaps[index]); error != 0) {
      co_return error;
    }
    append_chunk(NbdContexts::kFirstBitmapId + index);
  }
  co_return 0;
}

Task<int> NbdStatus::ask(bool depth) {
  const auto end = static_cast<std::int64_t>(request_.header.offset + request_.header.length);
  auto at = static_cast<std::int64_t>(request_.header.offset);
  extents_.clear();
  while (at < end && !is_full()) {
    StatusMemory memory;
    request_.operation = Operation::kBlockStatus;
    request_.flags = block::kQueryAbove | block::kQueryWantZero;
    request_.offset = at;
    request_.argument = end - at;
    request_.single = {&memory, sizeof(memory)};
    const std::int64_t bytes = co_await BackendCall(request_);
    if (bytes < 0) {
      co_return static_cast<int>(bytes);
    }
    // Nothing alike is no answer at all; what is left has no known state.
    const std::int64_t length = bytes == 0 ? end - at : std::min(bytes, end - at);
    const std::uint32_t state = bytes == 0 ? 0
                                : depth    ? depth_of(memory)
                                           : allocation_state(memory);
    if (!add(static_cast<std::uint64_t>(length), state)) {
      break;
    }
    at += length;
  }
  co_return 0;
}

int NbdStatus::look_up(const std::string& bitmap) {
  block::Node* node = item_.backend().root().node.get();
  const block::DirtyBitmap* found = node != nullptr ? node->dirty_bitmaps().find(bitmap) : nullptr;
  if (found == nullptr || found->is_inconsistent()) {
    return -EINVAL;
  }
  const auto end = static_cast<std::int64_t>(request_.header.offset + request_.header.length);
  auto at = static_cast<std::int64_t>(request_.header.offset);
  extents_.clear();
  while (at < end) {
    const std::int64_t next = found->next_change(at, end);
    const std::uint32_t state = found->is_dirty(at) ? nbd::kStateDirty : 0;
    if (!add(static_cast<std::uint64_t>(next - at), state)) {
      break;
    }
    at = next;
  }
  return 0;
}

bool NbdStatus::is_full() const { return extents_.size() >= kMaxExtents; }

// Neighbours that are alike are one. False: there is no room for another.
bool NbdStatus::add(std::uint64_t length, std::uint32_t state) {
  if (!extents_.empty() && extents_.back().state == state) {
    extents_.back().length += length;
    return true;
  }
  const bool only_one = (request_.header.flags & nbd::kFlagRequestOne) != 0;
  if (!extents_.empty() && (only_one || is_full())) {
    return false;
  }
  extents_.push_back({length, state});
  return true;
}

void NbdStatus::append_chunk(std::uint32_t id) {
  std::vector<std::byte>& to = request_.status;
  const bool last = --chunks_left_ == 0;
  const std::uint64_t bytes = style_.extended ? 8 + 16 * extents_.size() : 4 + 8 * extents_.size();
  append_chunk_head(to, request_.header, style_, last ? nbd::kChunkDone : 0,
                    style_.extended ? nbd::kChunkBlockStatusExtended : nbd::kChunkBlockStatus,
                    bytes);
  append(to, id);
  if (style_.extended) {
    append(to, static_cast<std::uint32_t>(extents_.size()));
  }
  for (const Extent& extent : extents_) {
    if (style_.extended) {
      append(to, extent.length);
      append(to, std::uint64_t{extent.state});
    } else {
      append(to, static_cast<std::uint32_t>(extent.length));
      append(to, extent.state);
    }
  }
}

}  // namespace blk::exports
