#include "aio/host-features.hpp"

#include <sys/utsname.h>

namespace blk::aio {

std::string kernel_release() {
  utsname names{};
  return uname(&names) == 0 ? names.release : "";
}

HostFeatures host_features() { return HostFeatures{kernel_release(), probe_io_uring()}; }

}  // namespace blk::aio
