// Driver "host_device": a block or character device of the host.
#pragma once

#include "drivers/file.hpp"

namespace blk::drivers {

class HostDeviceDriver final : public FileDriver {
 public:
  const char* name() const override { return "host_device"; }
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;

 protected:
  int check_type(mode_t mode, const std::string& filename, bool read_only,
                 block::ErrorReport& report) const override;
};

}  // namespace blk::drivers
