// Operations on sockets for an engine without a ring: tried at once, and again when epoll says that
// the socket is ready. Home thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "aio/engine.hpp"
#include "aio/file.hpp"
#include "aio/list.hpp"

namespace blk::aio {

class SocketPoller {
 public:
  SocketPoller() = default;
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  /// 0 or a negative errno. `doorbell` makes fd() readable, too.
  int open(int doorbell);
  /// Readable when a socket is ready that somebody waits for.
  int fd() const { return epoll_.get(); }

  /// Tries the operation, which then waits or has finished. True when it has finished.
  bool start(IoOp* op);
  /// Moves what has finished to `done`, having looked at the sockets that are ready.
  void collect(IntrusiveList<IoOp>& done);
  /// True when the operation waited and has finished with ECANCELED.
  bool cancel(IoOp* op);
  void cancel_all();
  /// Its descriptor is about to be closed, or leaves this engine; nothing waits for it.
  void forget(const File& file);

  /// Those that wait.
  std::size_t waiting() const { return waiting_; }

 private:
  /// At most one operation in each direction waits for a socket; further ones wait behind it.
  struct Socket {
    IntrusiveList<IoOp> in;
    IntrusiveList<IoOp> out;
    bool known = false;  // to epoll
  };

  void ready(int descriptor, std::uint32_t events);
  void retry(IntrusiveList<IoOp>& waiters);
  void arm(int descriptor, Socket& socket);
  void fail(Socket& socket, std::int64_t error);
  void finish(IoOp* op, std::int64_t result);

  UniqueFd epoll_;
  int doorbell_ = -1;
  std::unordered_map<int, Socket> sockets_;
  IntrusiveList<IoOp> finished_;
  std::size_t waiting_ = 0;
};

}  // namespace blk::aio
