#include "drivers/copy-on-read.hpp"

#include <cerrno>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

Task<Status> CopyOnReadDriver::open(block::Node& node, const block::Options& options,
                                    block::ErrorReport& /*report*/) {
  child_ = node.primary_child();
  bottom_ = static_cast<std::uint32_t>(options.get_int("bottom-id", 0));
  return Status(child_ != nullptr ? 0 : -EINVAL);
}

Task<Status> CopyOnReadDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                      block::RequestFlags flags) {
  if (bottom_ != 0) {
    return read_above_bottom(offset, bytes, data, flags);
  }
  return FilterDriver::preadv(offset, bytes, data, flags | block::kRequestCopyOnRead);
}

Task<Status> CopyOnReadDriver::read_above_bottom(std::int64_t offset, std::int64_t bytes,
                                                 block::IoView data, block::RequestFlags flags) {
  const bool prefetch = (flags & block::kRequestPrefetch) != 0;
  std::int64_t done = 0;
  while (done < bytes) {
    const block::BlockStatus source = co_await find_source(offset + done, bytes - done);
    if (source.error != 0) {
      co_return Status(source.error, source.node);
    }
    if (source.bytes == 0) {
      break;  // the chain is shorter than this node
    }
    const block::IoSlice part = prefetch ? block::IoSlice()
                                         : block::IoSlice(data, static_cast<std::size_t>(done),
                                                          static_cast<std::size_t>(source.bytes));
    if (source.allocated || !prefetch) {
      const block::RequestFlags copying = source.allocated ? block::kRequestCopyOnRead : 0;
      Status status =
          co_await FilterDriver::preadv(offset + done, source.bytes, part.view(), flags | copying);
      if (!status.ok()) {
        co_return status;
      }
    }
    done += source.bytes;
  }
  if (!prefetch) {
    block::zero_range(data, static_cast<std::size_t>(done), static_cast<std::size_t>(bytes - done));
  }
  co_return Status();
}

Task<block::BlockStatus> CopyOnReadDriver::find_source(std::int64_t offset, std::int64_t bytes) {
  block::Node& file = *child_->node;
  block::BlockStatus status = co_await file.block_status(false, offset, bytes);
  if (status.error != 0 || status.bytes == 0) {
    co_return status;
  }
  if (status.allocated) {
    status.allocated = false;  // it has these bytes already
    co_return status;
  }
  block::Node* below = file.backing_layer();
  if (below == nullptr || !below->is_above(bottom_)) {
    co_return status;  // the file is the bottom itself
  }
  block::BlockStatusQuery query;
  query.want_zero = false;
  query.include_base = true;
  query.base = bottom_;
  query.offset = offset;
  query.bytes = status.bytes;
  block::BlockStatus source = co_await below->block_status_above(query);
  if (source.error == 0 && source.bytes == 0) {
    co_return status;  // past the end of the layers below
  }
  co_return source;
}

}  // namespace blk::drivers
