#include "drivers/builtin.hpp"

#include <memory>

#include "drivers/blkdebug.hpp"
#include "drivers/blklogwrites.hpp"
#include "drivers/blkverify.hpp"
#include "drivers/copy-on-read.hpp"
#include "drivers/file.hpp"
#include "drivers/host-device.hpp"
#include "drivers/null.hpp"
#include "drivers/probe.hpp"
#include "drivers/raw.hpp"
#include "drivers/throttle.hpp"

namespace blk::drivers {

using block::Driver;

void register_builtin(block::DriverRegistry& registry) {
  registry.add("file", []() -> std::unique_ptr<Driver> { return std::make_unique<FileDriver>(); });
  registry.add("host_device",
               []() -> std::unique_ptr<Driver> { return std::make_unique<HostDeviceDriver>(); });
  registry.add("raw", []() -> std::unique_ptr<Driver> { return std::make_unique<RawDriver>(); });
  registry.add("null-co",
               []() -> std::unique_ptr<Driver> { return std::make_unique<NullDriver>(false); });
  registry.add("null-aio",
               []() -> std::unique_ptr<Driver> { return std::make_unique<NullDriver>(true); });
  registry.add("blkdebug",
               []() -> std::unique_ptr<Driver> { return std::make_unique<BlkdebugDriver>(); });
  registry.add("blkverify",
               []() -> std::unique_ptr<Driver> { return std::make_unique<BlkverifyDriver>(); });
  registry.add("blklogwrites",
               []() -> std::unique_ptr<Driver> { return std::make_unique<BlklogwritesDriver>(); });
  registry.add("copy-on-read",
               []() -> std::unique_ptr<Driver> { return std::make_unique<CopyOnReadDriver>(); });
  registry.add("throttle",
               []() -> std::unique_ptr<Driver> { return std::make_unique<ThrottleDriver>(); });
  registry.add("x-probe",
               []() -> std::unique_ptr<Driver> { return std::make_unique<ProbeDriver>(); });
}

}  // namespace blk::drivers
