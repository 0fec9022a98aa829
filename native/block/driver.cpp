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

Task<Status> Driver::copy_range_from(CopyRange) { return Status(-ENOTSUP); }

Task<Status> Driver::copy_range_to(CopyRange) { return Status(-ENOTSUP); }

Task<Status> Driver::pdiscard(std::int64_t, std::int64_t) { return Status(-ENOTSUP); }

Task<Status> Driver::truncate(TruncateRequest, ErrorReport& report) {
  return Status(report.fail(-ENOTSUP, "truncate-unsupported", {{"driver", name()}}));
}

std::int64_t Driver::control(const std::string&, const std::string&) { return -ENOTSUP; }

Task<Status> Driver::reopen_prepare(const ReopenRequest&, ErrorReport& report) {
  return Status(report.fail(-ENOTSUP, "reopen-unsupported", {{"driver", name()}}));
}

Task<std::int64_t> Driver::ioctl(std::uint64_t, void*, std::size_t) {
  return std::int64_t{-ENOTSUP};
}

Task<std::int64_t> Driver::sg_io(SgIo&) { return std::int64_t{-ENOTSUP}; }

Task<Status> Driver::probe_block_sizes(BlockSizes&) { return Status(-ENOTSUP); }

Task<Status> Driver::probe_geometry(Geometry&) { return Status(-ENOTSUP); }

Task<Status> Driver::pwritev_compressed(std::int64_t, std::int64_t, IoView) {
  return Status(-ENOTSUP);
}

Task<Status> Driver::save_vmstate(std::int64_t, std::int64_t, IoView) { return Status(-ENOTSUP); }

Task<Status> Driver::load_vmstate(std::int64_t, std::int64_t, IoView) { return Status(-ENOTSUP); }

Task<Status> Driver::create(aio::AioContext&, const Options&, ErrorReport& report) {
  return Status(report.fail(-ENOTSUP, "create-unsupported", {{"driver", name()}}));
}

Task<Status> Driver::remove(aio::AioContext&, const Options&, ErrorReport& report) {
  return Status(report.fail(-ENOTSUP, "delete-unsupported", {{"driver", name()}}));
}

Task<BlockStatus> Driver::block_status(bool, std::int64_t offset, std::int64_t bytes) {
  BlockStatus status = BlockStatus::data_at(offset, bytes);
  status.offset_valid = is_protocol();
  return status;
}

Task<std::int64_t> Driver::allocated_size() { return std::int64_t{-ENOTSUP}; }

void FilterDriver::children_changed(Node& node) {
  child_ = node.primary_child();
  node.eject(child_ == nullptr);
}

Task<std::int64_t> FilterDriver::length() {
  if (child_ == nullptr) {
    return std::int64_t{0};
  }
  return child_->node->current_length();
}

bool FilterDriver::has_variable_length() const {
  return child_ != nullptr && child_->node->has_variable_length();
}

bool FilterDriver::is_inserted() const { return child_ != nullptr && child_->node->is_inserted(); }

RequestFlags FilterDriver::supported_write_flags() const {
  if (child_ == nullptr) {
    return 0;
  }
  return kRequestWriteUnchanged | (kRequestFua & child_->node->driver().supported_write_flags());
}

RequestFlags FilterDriver::supported_zero_flags() const {
  constexpr RequestFlags kInherited = kRequestFua | kRequestMayUnmap | kRequestNoFallback;
  if (child_ == nullptr) {
    return 0;
  }
  return kRequestWriteUnchanged | (kInherited & child_->node->driver().supported_zero_flags());
}

bool FilterDriver::has_efficient_zero_write() const {
  return child_ != nullptr && child_->node->driver().has_efficient_zero_write();
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

bool FilterDriver::has_discard() const {
  return child_ != nullptr && child_->node->driver().has_discard();
}

Task<Status> FilterDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  return child_->node->pdiscard(*child_, offset, bytes);
}

Task<Status> FilterDriver::truncate(TruncateRequest request, ErrorReport& report) {
  return child_->node->truncate(*child_, request, report);
}

Task<std::int64_t> FilterDriver::ioctl(std::uint64_t request, void* data, std::size_t bytes) {
  return child_->node->ioctl(request, data, bytes);
}

Task<std::int64_t> FilterDriver::sg_io(SgIo& command) { return child_->node->sg_io(command); }

Task<Status> FilterDriver::probe_block_sizes(BlockSizes& sizes) {
  return child_->node->probe_block_sizes(sizes);
}

Task<Status> FilterDriver::probe_geometry(Geometry& geometry) {
  return child_->node->probe_geometry(geometry);
}

Task<BlockStatus> FilterDriver::block_status(bool want_zero, std::int64_t offset,
                                             std::int64_t bytes) {
  return child_->node->block_status(want_zero, offset, bytes);
}

bool FilterDriver::has_zeroing_truncate() const {
  return child_ != nullptr && child_->node->driver().has_zeroing_truncate();
}

bool FilterDriver::has_zero_init() const {
  return child_ != nullptr && child_->node->has_zero_init();
}

Task<std::int64_t> FilterDriver::allocated_size() { return child_->node->allocated_size(); }

std::int64_t FilterDriver::cluster_size() const {
  return child_ == nullptr ? 0 : child_->node->driver().cluster_size();
}

Task<Status> FilterDriver::pwrite_compressed_to_child(std::int64_t offset, std::int64_t bytes,
                                                      IoView data) {
  return child_->node->pwritev(*child_, offset, bytes, data, kRequestCompressed);
}

Task<Status> pwrite_zeroes_to_child(Edge& child, std::int64_t offset, std::int64_t bytes,
                                    RequestFlags flags) {
  if (!child.node->discard_unmap()) {
    flags &= ~kRequestMayUnmap;
  }
  return child.node->pwrite_zeroes(child, offset, bytes, flags);
}

}  // namespace blk::block
