// The block-status request: its answer is more than a number, and goes to the request's memory.
#include <cerrno>
#include <cstring>

#include "block/backend.hpp"

namespace blk::block {

using aio::Detached;

namespace {

double flags_of(const BlockStatus& status) {
  return (status.data ? kStatusData : 0) + (status.zero ? kStatusZero : 0) +
         (status.offset_valid ? kStatusOffsetValid : 0) +
         (status.allocated ? kStatusAllocated : 0) + (status.end_of_file ? kStatusEndOfFile : 0);
}

}  // namespace

Detached Backend::answer_block_status(Request* request) {
  StatusMemory memory;
  if (request->single.iov_len < sizeof(memory)) {
    finish(request, Status(-EINVAL));
    co_return;
  }
  // Copied both ways, since nobody promises that the memory is aligned.
  std::memcpy(&memory, request->single.iov_base, sizeof(memory));
  Node& node = *root_.node;
  const bool want_zero = (request->flags & kQueryWantZero) != 0;
  BlockStatus status;
  if ((request->flags & kQueryAbove) != 0) {
    BlockStatusQuery query;
    query.want_zero = want_zero;
    query.include_base = (request->flags & kQueryIncludeBase) != 0;
    query.base = static_cast<std::uint32_t>(memory.base);
    query.offset = request->offset;
    query.bytes = request->argument;
    status = co_await node.block_status_above(query);
  } else {
    status = co_await node.block_status(want_zero, request->offset, request->argument);
  }
  if (status.error != 0) {
    finish(request, Status(status.error, status.node));
    co_return;
  }
  memory.flags = flags_of(status);
  memory.offset = static_cast<double>(status.offset);
  memory.node = static_cast<double>(status.node);
  memory.depth = static_cast<double>(status.depth);
  std::memcpy(request->single.iov_base, &memory, sizeof(memory));
  finish_value(request, status.bytes);
}

}  // namespace blk::block
