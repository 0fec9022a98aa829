#include "drivers/builtin.hpp"

#include <memory>

#include "drivers/file.hpp"
#include "drivers/host-device.hpp"
#include "drivers/null.hpp"
#include "drivers/raw.hpp"

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
}

}  // namespace blk::drivers
