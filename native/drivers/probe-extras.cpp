// What few drivers have, in an x-probe node: vmstate in memory, writes that call themselves
// compressed, sizes and a geometry, and a SCSI device that repeats what it hears.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"
#include "drivers/probe.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

namespace {

constexpr std::byte kCheckCondition{2};

}  // namespace

// The data is the command again and again; a command that begins with 2 is refused, with the
// command as its sense.
Task<std::int64_t> ProbeDriver::sg_io(block::SgIo& command) {
  if (block::Edge* child = primary(); child != nullptr) {
    return child->node->sg_io(command);
  }
  if (!settings_.scsi) {
    return std::int64_t{-ENOTSUP};
  }
  const auto bytes = command.command;
  if (bytes.front() == kCheckCondition) {
    command.status = 2;
    command.host_status = 3;
    command.driver_status = 8;
    const std::size_t sense = std::min(command.sense.size(), bytes.size());
    std::copy_n(bytes.begin(), sense, command.sense.begin());
    command.sense_bytes = static_cast<std::uint32_t>(sense);
    command.residual = static_cast<std::int32_t>(command.data.size());
  } else if (command.direction == block::SgDirection::kFromDevice) {
    for (std::size_t i = 0; i < command.data.size(); ++i) {
      command.data[i] = bytes[i % bytes.size()];
    }
  } else if (!command.data.empty()) {
    command.residual = static_cast<std::int32_t>(command.data.back());
  }
  command.duration_ms = command.timeout_ms;
  return std::int64_t{0};
}

Task<Status> ProbeDriver::probe_block_sizes(block::BlockSizes& sizes) {
  if (block::Edge* child = primary(); child != nullptr) {
    return child->node->probe_block_sizes(sizes);
  }
  sizes = {settings_.physical_block_size, settings_.logical_block_size};
  return Status(sizes.physical != 0 && sizes.logical != 0 ? 0 : -ENOTSUP);
}

Task<Status> ProbeDriver::probe_geometry(block::Geometry& geometry) {
  if (block::Edge* child = primary(); child != nullptr) {
    return child->node->probe_geometry(geometry);
  }
  geometry = {settings_.cylinders, settings_.heads, settings_.sectors};
  return Status(geometry.cylinders != 0 ? 0 : -ENOTSUP);
}

Task<Status> ProbeDriver::pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                             block::IoView data) {
  Status status = co_await enter(ProbeHook::kPwriteCompressed);
  if (!status.ok()) {
    co_return status;
  }
  if (block::Edge* child = primary(); child != nullptr) {
    co_return co_await child->node->pwritev(*child, offset, bytes, data, 0);
  }
  co_return co_await write_memory(offset, bytes, data);
}

Task<Status> ProbeDriver::save_vmstate(std::int64_t position, std::int64_t bytes,
                                       block::IoView data) {
  Status status = co_await enter(ProbeHook::kSaveVmstate);
  for (std::int64_t done = 0; status.ok() && done < bytes;) {
    const std::int64_t piece = ProbeStore::piece(position + done, bytes - done);
    const block::IoSlice part = block::slice_of(data, done, piece);
    status = Status(vmstate_.write(position + done, part.view(), piece));
    done += piece;
  }
  co_return status;
}

Task<Status> ProbeDriver::load_vmstate(std::int64_t position, std::int64_t bytes,
                                       block::IoView data) {
  Status status = co_await enter(ProbeHook::kLoadVmstate);
  if (!status.ok()) {
    co_return status;
  }
  block::zero_range(data, 0, static_cast<std::size_t>(bytes));
  for (std::int64_t done = 0; done < bytes;) {
    const ProbeStore::Extent extent = vmstate_.extent(position + done, bytes - done);
    if (extent.state == ProbeStore::State::kData) {
      const block::IoSlice part = block::slice_of(data, done, extent.bytes);
      vmstate_.read(position + done, part.view(), extent.bytes);
    }
    done += extent.bytes;
  }
  co_return Status();
}

}  // namespace blk::drivers
