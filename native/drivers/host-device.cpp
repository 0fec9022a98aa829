#include "drivers/host-device.hpp"

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

// The caller has checked that `data` holds what the request code encodes.
aio::Task<std::int64_t> HostDeviceDriver::ioctl(std::uint64_t request, void* data,
                                                std::size_t /*bytes*/) {
  const int descriptor = fd();
  auto body = [descriptor, request, data]() -> std::int64_t {
    const int result = ::ioctl(descriptor, request, data);
    return result < 0 ? -errno : result;
  };
  auto op = aio::run_blocking(engine(), body);
  co_return co_await op;
}

}  // namespace blk::drivers
