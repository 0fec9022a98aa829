// Driver "host_device": a block or character device of the host.
#pragma once

#include "drivers/file.hpp"

namespace blk::drivers {

class HostDeviceDriver final : public FileDriver {
 public:
  const char* name() const override { return "host_device"; }
  aio::Task<std::int64_t> ioctl(std::uint64_t request, void* data, std::size_t bytes) override;
  aio::Task<std::int64_t> sg_io(block::SgIo& command) override;
  /// A device is there or not.
  aio::Task<block::Status> create(aio::AioContext& context, const block::Options& options,
                                  block::ErrorReport& report) override {
    return Driver::create(context, options, report);
  }
  aio::Task<block::Status> remove(aio::AioContext& context, const block::Options& options,
                                  block::ErrorReport& report) override {
    return Driver::remove(context, options, report);
  }

 protected:
  int check_type(mode_t mode, const std::string& filename, bool read_only,
                 block::ErrorReport& report) const override;
};

}  // namespace blk::drivers
