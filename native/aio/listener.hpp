// Opening sockets that listen. Blocking calls: for a worker.
#pragma once

#include <cstdint>
#include <string>

#include "aio/file.hpp"

namespace blk::aio {

struct ListenAddress {
  std::string path;        // of a UNIX socket; empty: TCP
  std::string host;        // an IP address in numbers
  std::uint16_t port = 0;  // 0: any that is free
  int inherited = -1;      // a socket that listens already, instead of all these
};

/// The port (0 for a UNIX socket) or a negative errno: EADDRINUSE when somebody listens there, or
/// when the path is something else than a socket that nobody listens on; EINVAL when an inherited
/// one does not listen. What was inherited belongs to `socket` from then on, if all is well.
int open_listener(const ListenAddress& address, UniqueFd& socket);

}  // namespace blk::aio
