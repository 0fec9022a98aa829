// The bytes of one connection: a receive buffer in front of a socket, and the pauses of drained
// sections.
//
//   socket --recv--> buffer --consume--> headers, small payloads
//        \--recv--> large payload, and what follows it into the buffer: one call
//
// Paused, nothing waits on the socket: a receive that does is cancelled, a send gives up where it
// would wait, and both go on after resume(). The backend is held while a coroutine of the
// connection is active: has an operation on the socket under way, something to send, or been woken
// and not run. Home thread of its context only; one coroutine reads and one writes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "aio/context.hpp"
#include "aio/memory.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "block/backend.hpp"

namespace blk::exports {

class NbdStream {
 public:
  /// Bytes that are received ahead.
  static constexpr std::size_t kBuffer = std::size_t{64} << 10;

  NbdStream(aio::AioContext& context, aio::UniqueFd socket);
  NbdStream(const NbdStream&) = delete;
  NbdStream& operator=(const NbdStream&) = delete;
  ~NbdStream();

  /// False: no memory.
  bool is_ready() const { return static_cast<bool>(buffer_); }
  aio::AioContext& context() const { return *context_; }

  // --- reading: 0 or a negative errno; ECONNRESET: the peer sends no more
  /// At least `bytes` (at most kBuffer) are in the buffer.
  aio::Task<int> fill(std::size_t bytes);
  /// The peer has ended between two messages, so fill() and read() gave ECONNRESET for want of any
  /// byte.
  bool ended_cleanly() const { return ended_ && begin_ == end_; }
  const std::byte* data() const { return buffer_.data() + begin_; }
  std::size_t available() const { return end_ - begin_; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  aio::Task<int> read(std::byte* to, std::size_t bytes);
  aio::Task<int> skip(std::uint64_t bytes);
  /// Not in a drained section, or hung up.
  aio::Task<int> running();

  // --- writing
  /// All of it: 0 or a negative errno.
  aio::Task<int> write(const std::byte* from, std::size_t bytes);
  /// As much as the socket takes: bytes or a negative errno.
  aio::Task<std::int64_t> send(const iovec* iov, std::uint32_t count);

  /// A coroutine of the connection becomes active, or is so no more.
  void enter();
  void leave();

  // --- life
  /// Another socket takes the place of this one. Nothing is under way, and nothing is buffered.
  void replace_socket(aio::UniqueFd socket);
  int descriptor() const { return socket_.fd.get(); }
  /// From now on nothing is received or sent, and whoever waits for that goes on.
  void hang_up();
  bool is_hung_up() const { return hung_up_; }
  /// Whose sections pause it. Null: nobody's.
  void set_backend(block::Backend* backend) { backend_ = backend; }
  void pause();
  void resume();
  /// The two halves of a move; nothing is under way.
  void leave_context() { context_->engine().forget_file(socket_); }
  void enter_context(aio::AioContext& context) { context_ = &context; }

 private:
  aio::Task<int> fill_slowly(std::size_t bytes);
  aio::Task<int> read_slowly(std::byte* to, std::size_t bytes);
  aio::Task<int> wait_for_section();
  aio::Task<std::int64_t> send_slowly(const iovec* iov, std::uint32_t count);
  aio::Task<std::int64_t> receive(const iovec* iov, std::uint32_t count);
  void make_room();
  void wake_waiting();
  /// Both waits end with the section, not with the connection.
  bool was_paused(std::int64_t result) const;

  aio::AioContext* context_;
  aio::File socket_;
  block::Backend* backend_ = nullptr;
  aio::AlignedBuffer buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
  bool emptied_ = false;  // the last receive took all there was
  bool paused_ = false;
  bool hung_up_ = false;
  std::uint32_t active_ = 0;
  std::uint32_t waiting_ = 0;  // in resumed_
  aio::IoOp* receive_op_ = nullptr;
  aio::IoOp* send_op_ = nullptr;
  aio::WaitQueue resumed_;
};

}  // namespace blk::exports
