#include "exports/nbd-server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "aio/socket.hpp"

namespace blk::exports {

using aio::Detached;
using aio::SocketAwaiter;
using aio::Task;

namespace {

/// Until descriptors or memory may be there again.
constexpr aio::Nanoseconds kPatience = 100'000'000;

bool lacks_resources(std::int64_t error) {
  return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/// It will not get better by itself.
bool is_final(std::int64_t error) {
  return error == -EBADF || error == -EINVAL || error == -ENOTSOCK || error == -EOPNOTSUPP ||
         error == -ENOTSUP || error == -EFAULT;
}

// Replies are sent whole, so there is nothing to wait for; and a host that vanished is noticed.
// Refused where the socket is none of TCP.
void set_tcp_options(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

}  // namespace

void NbdServer::listen(aio::UniqueFd listener) {
  auto added = std::make_unique<Listener>();
  added->socket.fd = std::move(listener);
  Listener& listening = *added;
  listeners_.push_back(std::move(added));
  ++accepting_;
  accept(shared_from_this(), listening);
}

Detached NbdServer::accept(std::shared_ptr<NbdServer> self, Listener& listener) {
  int error = 0;
  while (error == 0) {
    error = co_await self->accept_one(listener);
  }
  self->context_.engine().forget_file(listener.socket);
  listener.socket.fd.reset();
  --self->accepting_;
  self->tell_if_gone();
}

// 0, or why no more are accepted.
Task<int> NbdServer::accept_one(Listener& listener) {
  while (is_full() && !closing_) {
    co_await room_.wait();
  }
  if (closing_ || context_.is_closing()) {
    co_return -ECANCELED;
  }
  const std::int64_t accepted =
      co_await SocketAwaiter(context_.engine(), listener.socket, &listener.accepting);
  if (accepted >= 0) {
    connect(aio::UniqueFd(static_cast<int>(accepted)));
  } else if (lacks_resources(accepted)) {
    co_await aio::SleepUntil(context_, context_.clock().now() + kPatience);
  } else if (is_final(accepted)) {
    co_return static_cast<int>(accepted);
  }
  co_return closing_ || context_.is_closing() ? -ECANCELED : 0;
}

bool NbdServer::is_full() const {
  return options_.max_connections != 0 && connections_ >= options_.max_connections;
}

void NbdServer::connect(aio::UniqueFd socket) {
  if (closing_) {
    return;
  }
  set_tcp_options(socket.get());
  ++connections_;
  ++accepted_;
  NbdConnection::start(shared_from_this(), context_, std::move(socket), accepted_);
}

void NbdServer::began(NbdConnection& connection) { negotiating_.push_back(&connection); }

void NbdServer::negotiated(NbdConnection& connection) { std::erase(negotiating_, &connection); }

void NbdServer::forget() {
  --connections_;
  room_.wake_one(context_);
  tell_if_gone();
}

void NbdServer::close(void (*done)(void*), void* owner) {
  closing_ = true;
  closed_ = done;
  closed_owner_ = owner;
  for (const auto& listener : listeners_) {
    if (listener->accepting != nullptr) {
      context_.engine().cancel(listener->accepting);
    }
  }
  room_.wake_all(context_);
  hang_up_negotiations();
  tell_if_gone();
}

void NbdServer::hang_up_negotiations() {
  const std::vector<NbdConnection*> negotiating = negotiating_;
  for (NbdConnection* connection : negotiating) {
    connection->hang_up();
  }
}

void NbdServer::tell_if_gone() {
  if (accepting_ == 0 && connections_ == 0 && closed_ != nullptr) {
    std::exchange(closed_, nullptr)(closed_owner_);
  }
}

}  // namespace blk::exports
