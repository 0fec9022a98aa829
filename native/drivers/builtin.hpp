// Every driver of this build, in one place.
#pragma once

#include "block/registry.hpp"

namespace blk::drivers {

void register_builtin(block::DriverRegistry& registry);

}  // namespace blk::drivers
