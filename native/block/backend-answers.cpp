// Requests whose result is a value or an answer in memory: vmstate, probes, SCSI commands.
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "block/backend.hpp"

namespace blk::block {

using aio::Task;

namespace {

std::span<std::byte> memory_of(const Request& request) {
  return {static_cast<std::byte*>(request.single.iov_base), request.single.iov_len};
}

/// 0, or EINVAL when there is no room for the words.
template <std::size_t count>
int store_words(const Request& request, const std::array<std::uint32_t, count>& words) {
  const std::span<std::byte> memory = memory_of(request);
  if (memory.size() < sizeof(words)) {
    return -EINVAL;
  }
  std::memcpy(memory.data(), words.data(), sizeof(words));
  return 0;
}

}  // namespace

Task<std::int64_t> Backend::answer(Request& request) {
  switch (request.operation) {
    case Operation::kSaveVmstate:
      return save_vmstate(request);
    case Operation::kLoadVmstate:
      return load_vmstate(request);
    case Operation::kProbeBlockSizes:
      return probe_block_sizes(request);
    case Operation::kProbeGeometry:
      return probe_geometry(request);
    case Operation::kSgIo:
      return sg_io(request);
    default:
      return std::int64_t{-ENOTSUP};
  }
}

// Without a write cache all of it is durable before it is told to be saved (MISC-8).
Task<std::int64_t> Backend::save_vmstate(Request& request) {
  if (request.bytes > kMaxTransfer) {
    co_return -EIO;  // it has no memory
  }
  Node& node = *root_.node;
  Status status = co_await node.save_vmstate(request.offset, request.bytes, view_of(request));
  if (status.ok() && !flags_.write_cache) {
    status = co_await node.flush();
  }
  request.failed_node = status.node;
  co_return status.ok() ? request.bytes : std::int64_t{status.error};
}

Task<std::int64_t> Backend::load_vmstate(Request& request) {
  if (request.bytes > kMaxTransfer) {
    co_return -EIO;
  }
  Status status =
      co_await root_.node->load_vmstate(request.offset, request.bytes, view_of(request));
  request.failed_node = status.node;
  co_return status.ok() ? request.bytes : std::int64_t{status.error};
}

Task<std::int64_t> Backend::probe_block_sizes(Request& request) {
  BlockSizes sizes;
  Status status = co_await root_.node->probe_block_sizes(sizes);
  request.failed_node = status.node;
  co_return status.ok() ? store_words<2>(request, {sizes.physical, sizes.logical}) : status.error;
}

Task<std::int64_t> Backend::probe_geometry(Request& request) {
  Geometry geometry;
  Status status = co_await root_.node->probe_geometry(geometry);
  request.failed_node = status.node;
  const std::array<std::uint32_t, 3> words{geometry.cylinders, geometry.heads, geometry.sectors};
  co_return status.ok() ? store_words(request, words) : status.error;
}

Task<std::int64_t> Backend::sg_io(Request& request) {
  const std::span<std::byte> memory = memory_of(request);
  std::optional<SgIo> command = parse_sg_io(memory);
  if (!command) {
    co_return -EINVAL;
  }
  const std::int64_t result = co_await root_.node->sg_io(*command);
  if (result >= 0) {
    store_sg_answer(*command, memory);
  }
  co_return result;
}

// As blk_get_geometry: 0 without a node and for a failure; an open tray does not matter.
// blk_nb_sectors and blk_get_geometry differ in what they make of an error.
Task<std::int64_t> Backend::sectors(bool errors_are_none) {
  // Not `node ? co_await a : b`: GCC 12 would await in any case.
  std::int64_t length = -ENOMEDIUM;
  if (root_.node != nullptr) {
    length = co_await root_.node->current_length();
  }
  if (length < 0) {
    co_return errors_are_none ? 0 : length;
  }
  co_return length / kSectorSize;
}

}  // namespace blk::block
