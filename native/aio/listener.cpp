#include "aio/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "aio/peer.hpp"

namespace blk::aio {

namespace {

constexpr int kBacklog = SOMAXCONN;

UniqueFd open_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int bind_and_listen(const UniqueFd& socket, const sockaddr* address, socklen_t bytes) {
  const bool listens =
      ::bind(socket.get(), address, bytes) == 0 && ::listen(socket.get(), kBacklog) == 0;
  return listens ? 0 : -errno;
}

// What a process left behind that has ended. Anything else stays.
bool remove_stale(const sockaddr_un& name) {
  struct stat status{};
  if (::lstat(name.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    return false;
  }
  const UniqueFd probe = open_socket(AF_UNIX);
  if (!probe) {
    return false;
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const bool answers = ::connect(probe.get(), address, sizeof(name)) == 0;
  return !answers && errno == ECONNREFUSED && ::unlink(name.sun_path) == 0;
}

int listen_unix(const std::string& path, UniqueFd& socket) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) {
    return -ENAMETOOLONG;
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  socket = open_socket(AF_UNIX);
  if (!socket) {
    return -errno;
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  int error = bind_and_listen(socket, address, sizeof(name));
  if (error == -EADDRINUSE && remove_stale(name)) {
    error = bind_and_listen(socket, address, sizeof(name));
  }
  return error;
}

union AnyAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

std::uint16_t port_of(const AnyAddress& address) {
  return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

int listen_tcp(const std::string& host, std::uint16_t port, UniqueFd& socket) {
  AnyAddress address{};
  socklen_t bytes = 0;
  if (::inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    bytes = sizeof(address.v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    bytes = sizeof(address.v6);
  } else {
    return -EINVAL;
  }
  socket = open_socket(address.any.sa_family);
  if (!socket) {
    return -errno;
  }
  // So that a server can be started again while connections of its last run linger.
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (int error = bind_and_listen(socket, &address.any, bytes); error != 0) {
    return error;
  }
  return ::getsockname(socket.get(), &address.any, &bytes) == 0 ? port_of(address) : -errno;
}

int adopt(int inherited, UniqueFd& socket) {
  if (int error = check_listener(inherited); error != 0) {
    return error;
  }
  ::fcntl(inherited, F_SETFD, FD_CLOEXEC);
  // Whoever made it may have it non-blocking, which ours are not; see socket.hpp.
  ::fcntl(inherited, F_SETFL, ::fcntl(inherited, F_GETFL) & ~O_NONBLOCK);
  socket.reset(inherited);
  return place_of(inherited).port;
}

}  // namespace

int open_listener(const ListenAddress& address, UniqueFd& socket) {
  if (address.inherited >= 0) {
    return adopt(address.inherited, socket);
  }
  return address.path.empty() ? listen_tcp(address.host, address.port, socket)
                              : listen_unix(address.path, socket);
}

}  // namespace blk::aio
