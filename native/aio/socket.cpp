#include "aio/socket.hpp"

#include <sys/ioctl.h>

#include <cerrno>

namespace blk::aio {

namespace {

// The flag belongs to the open socket, and whoever waits in io_uring needs it off, so it is on only
// for this call.
int accept_now(int listener) {
  int on = 1;
  int off = 0;
  ::ioctl(listener, FIONBIO, &on);
  const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int error = errno;
  ::ioctl(listener, FIONBIO, &off);
  errno = error;
  return accepted;
}

ssize_t system_call(const IoOp& op) {
  const int fd = op.file->fd.get();
  const int flags = message_flags(op) | MSG_DONTWAIT;
  if (op.opcode == IoOpcode::kAccept) {
    return accept_now(fd);
  }
  if (op.iovcnt != 1) {
    auto* message = static_cast<msghdr*>(op.argument);
    return op.opcode == IoOpcode::kSend ? ::sendmsg(fd, message, flags)
                                        : ::recvmsg(fd, message, flags);
  }
  return op.opcode == IoOpcode::kSend ? ::send(fd, op.iov->iov_base, op.iov->iov_len, flags)
                                      : ::recv(fd, op.iov->iov_base, op.iov->iov_len, flags);
}

}  // namespace

std::int64_t send_now(const File& socket, const iovec* iov, std::uint32_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(iov);
  message.msg_iovlen = count;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket.fd.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

int message_flags(const IoOp& op) { return op.opcode == IoOpcode::kSend ? MSG_NOSIGNAL : 0; }

std::int64_t try_socket_op(const IoOp& op) {
  ssize_t result = 0;
  do {
    result = system_call(op);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

}  // namespace blk::aio
