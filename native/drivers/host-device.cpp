#include "drivers/host-device.hpp"

#include <linux/ioctl.h>
#include <scsi/sg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "aio/blocking.hpp"

namespace blk::drivers {

int HostDeviceDriver::check_type(mode_t mode, const std::string& filename, bool /*read_only*/,
                                 block::ErrorReport& report) const {
  if (!S_ISBLK(mode) && !S_ISCHR(mode)) {
    return report.fail(-ENODEV, "not-a-device", {{"filename", filename}});
  }
  return 0;
}

namespace {

int sg_direction(block::SgDirection direction) {
  switch (direction) {
    case block::SgDirection::kToDevice:
      return SG_DXFER_TO_DEV;
    case block::SgDirection::kFromDevice:
      return SG_DXFER_FROM_DEV;
    default:
      return SG_DXFER_NONE;
  }
}

/// The kernel's structure, which points into the memory of the request.
sg_io_hdr kernel_header(const block::SgIo& command) {
  sg_io_hdr header{};
  header.interface_id = 'S';
  header.dxfer_direction = sg_direction(command.direction);
  header.cmd_len = static_cast<unsigned char>(command.command.size());
  header.mx_sb_len = static_cast<unsigned char>(command.sense.size());
  header.dxfer_len = static_cast<unsigned>(command.data.size());
  header.dxferp = command.data.data();
  header.cmdp = reinterpret_cast<unsigned char*>(command.command.data());
  header.sbp = reinterpret_cast<unsigned char*>(command.sense.data());
  header.timeout = command.timeout_ms;
  return header;
}

}  // namespace

aio::Task<std::int64_t> HostDeviceDriver::sg_io(block::SgIo& command) {
  const int descriptor = fd();
  sg_io_hdr header = kernel_header(command);
  auto body = [descriptor, &header]() -> std::int64_t {
    return ::ioctl(descriptor, SG_IO, &header) < 0 ? -errno : 0;
  };
  auto op = aio::run_blocking(engine(), body);
  const std::int64_t result = co_await op;
  command.status = header.status;
  command.host_status = header.host_status;
  command.driver_status = header.driver_status;
  command.sense_bytes = header.sb_len_wr;
  command.residual = header.resid;
  command.duration_ms = header.duration;
  co_return result;
}

// The caller has checked that `data` holds what the request code encodes; once more is cheap.
aio::Task<std::int64_t> HostDeviceDriver::ioctl(std::uint64_t request, void* data,
                                                std::size_t bytes) {
  if (_IOC_SIZE(static_cast<unsigned>(request)) > bytes) {
    co_return -EINVAL;
  }
  const int descriptor = fd();
  auto body = [descriptor, request, data]() -> std::int64_t {
    const int result = ::ioctl(descriptor, request, data);
    return result < 0 ? -errno : result;
  };
  auto op = aio::run_blocking(engine(), body);
  co_return co_await op;
}

}  // namespace blk::drivers
