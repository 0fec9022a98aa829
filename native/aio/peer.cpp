#include "aio/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace blk::aio {

namespace {

using NameCall = int (*)(int, sockaddr*, socklen_t*);

std::string unix_path(const sockaddr_storage& name, socklen_t bytes) {
  constexpr socklen_t kHead = offsetof(sockaddr_un, sun_path);
  sockaddr_un unix_name{};
  std::memcpy(&unix_name, &name, sizeof(unix_name));
  // Without a name, or with one in the abstract namespace: no path.
  return bytes > kHead && unix_name.sun_path[0] != '\0'
             ? std::string(unix_name.sun_path, ::strnlen(unix_name.sun_path, bytes - kHead))
             : std::string();
}

void read_inet(const sockaddr_storage& name, SocketPlace& place) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (name.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &name, sizeof(address));
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    place.port = ntohs(address.sin_port);
  } else {
    sockaddr_in6 address{};
    std::memcpy(&address, &name, sizeof(address));
    ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
    place.port = ntohs(address.sin6_port);
  }
  place.host = text.data();
}

SocketPlace named_by(NameCall call, int socket) {
  SocketPlace place;
  sockaddr_storage name{};
  socklen_t bytes = sizeof(name);
  if (call(socket, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) {
    return place;
  }
  if (name.ss_family == AF_UNIX) {
    place.kind = SocketKind::kUnix;
    place.path = unix_path(name, bytes);
  } else if (name.ss_family == AF_INET || name.ss_family == AF_INET6) {
    place.kind = SocketKind::kInet;
    read_inet(name, place);
  }
  return place;
}

}  // namespace

SocketPlace place_of(int socket) { return named_by(::getsockname, socket); }

SocketPeer peer_of(int socket) {
  SocketPeer peer;
  peer.place = named_by(::getpeername, socket);
  ucred credentials{};
  socklen_t bytes = sizeof(credentials);
  if (peer.place.kind == SocketKind::kUnix &&
      ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0) {
    peer.process = credentials.pid;
    peer.user = credentials.uid;
    peer.group = credentials.gid;
  }
  return peer;
}

int check_listener(int socket) {
  int type = 0;
  int listens = 0;
  socklen_t bytes = sizeof(int);
  if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0) {
    return -errno;
  }
  bytes = sizeof(int);
  if (::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) != 0) {
    return -errno;
  }
  return type == SOCK_STREAM && listens != 0 ? 0 : -EINVAL;
}

}  // namespace blk::aio
