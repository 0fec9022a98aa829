#include "block/driver.hpp"

#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

Task<Status> Driver::pwritev(std::int64_t, std::int64_t, IoView, RequestFlags) {
  return Status(-ENOTSUP);
}

Task<Status> Driver::pwrite_zeroes(std::int64_t, std::int64_t, RequestFlags) {
  return Status(-ENOTSUP);
}

Task<Status> Driver::pdiscard(std::int64_t, std::int64_t) { return Status(-ENOTSUP); }

Task<Status> Driver::truncate(TruncateRequest, ErrorReport& report) {
  return Status(report.fail(-ENOTSUP, "truncate-unsupported", {{"driver", name()}}));
}

Task<std::int64_t> Driver::ioctl(std::uint64_t, void*, std::size_t) {
  return std::int64_t{-ENOTSUP};
}

Task<BlockStatus> Driver::block_status(bool, std::int64_t offset, std::int64_t bytes) {
  BlockStatus status;
  status.data = true;
  status.allocated = true;
  status.offset = offset;
  status.bytes = bytes;
  return status;
}

Task<std::int64_t> Driver::allocated_size() { return std::int64_t{-ENOTSUP}; }

Task<std::int64_t> FilterDriver::length() { return child_->node->current_length(); }

bool FilterDriver::has_variable_length() const { return child_->node->has_variable_length(); }

bool FilterDriver::is_inserted() const { return child_->node->is_inserted(); }

RequestFlags FilterDriver::supported_write_flags() const {
  return kRequestWriteUnchanged | (kRequestFua & child_->node->driver().supported_write_flags());
}

RequestFlags FilterDriver::supported_zero_flags() const {
  constexpr RequestFlags kInherited = kRequestFua | kRequestMayUnmap | kRequestNoFallback;
  return kRequestWriteUnchanged | (kInherited & child_->node->driver().supported_zero_flags());
}

bool FilterDriver::has_efficient_zero_write() const {
  return child_->node->driver().has_efficient_zero_write();
}

Task<Status> FilterDriver::preadv(std::int64_t offset, std::int64_t bytes, IoView data,
                                  RequestFlags flags) {
  return child_->node->preadv(*child_, offset, bytes, data, flags);
}

Task<Status> FilterDriver::pwritev(std::int64_t offset, std::int64_t bytes, IoView data,
                                   RequestFlags flags) {
  return child_->node->pwritev(*child_, offset, bytes, data, flags);
}

Task<Status> FilterDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         RequestFlags flags) {
  return pwrite_zeroes_to_child(*child_, offset, bytes, flags);
}

bool FilterDriver::has_discard() const { return child_->node->driver().has_discard(); }

Task<Status> FilterDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  return child_->node->pdiscard(*child_, offset, bytes);
}

Task<Status> FilterDriver::truncate(TruncateRequest request, ErrorReport& report) {
  return child_->node->truncate(*child_, request, report);
}

Task<std::int64_t> FilterDriver::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  return child_->node->ioctl(request, data, bytes);
}

Task<BlockStatus> FilterDriver::block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) {
  return child_->node->block_status(want_zero, offset, bytes);
}

Task<std::int64_t> FilterDriver::allocated_size() { return child_->node->allocated_size(); }

Task<Status> pwrite_zeroes_to_child(Edge& child, std::int64_t offset, std::int64_t bytes,
                                    RequestFlags flags) {
  if (!child.node->discard_unmap()) {
    flags &= ~kRequestMayUnmap;
  }
  return child.node->pwrite_zeroes(child, offset, bytes, flags);
}

}  // namespace blk::block
