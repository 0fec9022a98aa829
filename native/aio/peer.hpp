// Who is at the other end of a connected socket, and where a socket is.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace blk::aio {

enum class SocketKind : std::uint8_t { kOther, kUnix, kInet };

/// What a socket is bound to, or what the other end of it is.
struct SocketPlace {
  SocketKind kind = SocketKind::kOther;
  std::string path;        // kUnix; empty: it has none
  std::string host;        // kInet: an IP address in numbers
  std::uint16_t port = 0;  // kInet
};

/// The process that connected a UNIX socket, or for a TCP peer -1.
struct SocketPeer {
  SocketPlace place;
  pid_t process = -1;
  uid_t user = static_cast<uid_t>(-1);
  gid_t group = static_cast<gid_t>(-1);
};

SocketPlace place_of(int socket);
SocketPeer peer_of(int socket);

/// 0 for a stream socket that listens; ENOTSOCK, EINVAL or what else is wrong, negative.
int check_listener(int socket);

}  // namespace blk::aio
