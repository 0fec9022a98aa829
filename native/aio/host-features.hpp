// What this host offers, for bug reports and for `blk info`.
#pragma once

#include <string>

#include "aio/probe.hpp"

namespace blk::aio {

struct HostFeatures {
  std::string kernel;     // uname's release
  EngineReport io_uring;  // what the probe found: engine is what kAuto would choose
};

HostFeatures host_features();

/// "6.1.0-18-amd64"; empty when even uname fails.
std::string kernel_release();

}  // namespace blk::aio
