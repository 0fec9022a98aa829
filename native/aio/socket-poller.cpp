#include "aio/socket-poller.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "aio/socket.hpp"

namespace blk::aio {

namespace {

constexpr int kEvents = 64;

bool is_outward(const IoOp& op) { return op.opcode == IoOpcode::kSend; }

}  // namespace

int SocketPoller::open(int doorbell) {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) {
    return -errno;
  }
  doorbell_ = doorbell;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = doorbell;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell, &event) == 0 ? 0 : -errno;
}

bool SocketPoller::start(IoOp* op) {
  Socket& socket = sockets_[op->file->fd.get()];
  IntrusiveList<IoOp>& waiters = is_outward(*op) ? socket.out : socket.in;
  if (waiters.empty() && !op->poll_first) {
    const std::int64_t result = try_socket_op(*op);
    if (result != -EAGAIN) {
      finish(op, result);
      return true;
    }
  }
  waiters.push_back(op);
  ++waiting_;
  arm(op->file->fd.get(), socket);
  return !finished_.empty();
}

void SocketPoller::collect(IntrusiveList<IoOp>& done) {
  std::array<epoll_event, kEvents> events{};
  const int count =
      waiting_ == 0 ? 0 : ::epoll_wait(epoll_.get(), events.data(), kEvents, /*timeout=*/0);
  for (int index = 0; index < count; ++index) {
    const epoll_event& event = events[static_cast<std::size_t>(index)];
    if (event.data.fd != doorbell_) {
      ready(event.data.fd, event.events);
    }
  }
  finished_.splice_to(done);
}

void SocketPoller::ready(int descriptor, std::uint32_t events) {
  const auto found = sockets_.find(descriptor);
  if (found == sockets_.end()) {
    return;
  }
  Socket& socket = found->second;
  constexpr std::uint32_t kEnded = EPOLLERR | EPOLLHUP;
  if ((events & (EPOLLIN | kEnded)) != 0) {
    retry(socket.in);
  }
  if ((events & (EPOLLOUT | kEnded)) != 0) {
    retry(socket.out);
  }
  arm(descriptor, socket);
}

void SocketPoller::retry(IntrusiveList<IoOp>& waiters) {
  while (IoOp* op = waiters.front()) {
    const std::int64_t result = try_socket_op(*op);
    if (result == -EAGAIN) {
      return;
    }
    waiters.pop_front();
    --waiting_;
    finish(op, result);
  }
}

// One event for each arming, so that a socket nobody waits for wakes nobody.
void SocketPoller::arm(int descriptor, Socket& socket) {
  epoll_event event{};
  event.events = (socket.in.empty() ? 0U : std::uint32_t{EPOLLIN}) |
                 (socket.out.empty() ? 0U : std::uint32_t{EPOLLOUT});
  event.data.fd = descriptor;
  if (event.events == 0) {
    return;
  }
  event.events |= EPOLLONESHOT;
  const int change = socket.known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int result = ::epoll_ctl(epoll_.get(), change, descriptor, &event);
  if (result != 0 && socket.known && errno == ENOENT) {
    // Closed without a word, and the number was given out again.
    result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
  }
  socket.known = true;
  if (result != 0) {
    fail(socket, -errno);
  }
}

void SocketPoller::fail(Socket& socket, std::int64_t error) {
  for (IntrusiveList<IoOp>* waiters : {&socket.in, &socket.out}) {
    while (IoOp* op = waiters->pop_front()) {
      --waiting_;
      finish(op, error);
    }
  }
}

bool SocketPoller::cancel(IoOp* op) {
  const auto found = sockets_.find(op->file->fd.get());
  if (found == sockets_.end()) {
    return false;
  }
  Socket& socket = found->second;
  IntrusiveList<IoOp>& waiters = is_outward(*op) ? socket.out : socket.in;
  if (waiters.remove_if([op](const IoOp& other) { return &other == op; }) == nullptr) {
    return false;
  }
  --waiting_;
  finish(op, -ECANCELED);
  if (socket.in.empty() && socket.out.empty()) {
    // Even with no event asked for, epoll tells that a peer has gone.
    forget(*op->file);
  } else {
    arm(op->file->fd.get(), socket);
  }
  return true;
}

void SocketPoller::cancel_all() {
  for (auto& [descriptor, socket] : sockets_) {
    fail(socket, -ECANCELED);
    if (socket.known) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
    }
  }
  sockets_.clear();
}

void SocketPoller::forget(const File& file) {
  const auto found = sockets_.find(file.fd.get());
  if (found == sockets_.end()) {
    return;
  }
  if (found->second.known) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->first, nullptr);
  }
  sockets_.erase(found);
}

void SocketPoller::finish(IoOp* op, std::int64_t result) {
  op->result = result;
  finished_.push_back(op);
}

}  // namespace blk::aio
