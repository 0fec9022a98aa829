// Sockets as coroutines use them. The operations are the engine's (IoOpcode::kAccept, kReceive,
// kSend); sockets are in blocking mode, and no call of ours ever blocks on them.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <coroutine>
#include <cstdint>

#include "aio/engine.hpp"
#include "aio/file.hpp"

namespace blk::aio {

/// `co_await SocketAwaiter(engine, IoOpcode::kReceive, socket, iov, count)`: one operation, with as
/// many bytes as there are or as there is room for. `op`, if given, points to the operation while
/// it is under way, for Engine::cancel().
class SocketAwaiter : public IoOp {
 public:
  SocketAwaiter(Engine& engine, IoOpcode code, File& socket, const iovec* vector,
                std::uint32_t count, IoOp** op = nullptr)
      : engine_(engine), op_(op) {
    opcode = code;
    file = &socket;
    iov = vector;
    iovcnt = count;
  }
  /// kAccept.
  SocketAwaiter(Engine& engine, File& listener, IoOp** op = nullptr)
      : SocketAwaiter(engine, IoOpcode::kAccept, listener, nullptr, 0, op) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    done = [](IoOp* op) { static_cast<SocketAwaiter*>(op)->caller_.resume(); };
    if (iovcnt > 1) {
      message_.msg_iov = const_cast<iovec*>(iov);
      message_.msg_iovlen = iovcnt;
      argument = &message_;
    }
    if (op_ != nullptr) {
      *op_ = this;
    }
    engine_.enqueue(this);
  }
  std::int64_t await_resume() const noexcept {
    if (op_ != nullptr) {
      *op_ = nullptr;
    }
    return result;
  }

 private:
  Engine& engine_;
  IoOp** op_;
  msghdr message_{};
  std::coroutine_handle<> caller_;
};

/// As much as the socket takes now: bytes, or a negative errno, EAGAIN when it would wait.
std::int64_t send_now(const File& socket, const iovec* iov, std::uint32_t count);

/// The flags of send(2) and recv(2) that the operation asks for.
int message_flags(const IoOp& op);

/// One try, without waiting: the result as IoOp::result has it, EAGAIN when it would wait.
std::int64_t try_socket_op(const IoOp& op);

}  // namespace blk::aio
