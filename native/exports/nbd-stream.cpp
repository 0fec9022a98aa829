#include "exports/nbd-stream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

#include "aio/socket.hpp"

namespace blk::exports {

using aio::IoOpcode;
using aio::SocketAwaiter;
using aio::Task;

namespace {

std::size_t bytes_of(const iovec* iov, std::uint32_t count) {
  return std::accumulate(iov, iov + count, std::size_t{0},
                         [](std::size_t bytes, const iovec& part) { return bytes + part.iov_len; });
}

}  // namespace

NbdStream::NbdStream(aio::AioContext& context, aio::UniqueFd socket)
    : context_(&context), buffer_(aio::AlignedBuffer::allocate(kBuffer, 64)) {
  socket_.fd = std::move(socket);
}

NbdStream::~NbdStream() { leave_context(); }

// --- reading

Task<int> NbdStream::fill(std::size_t bytes) {
  return available() >= bytes ? Task<int>(0) : fill_slowly(bytes);
}

Task<int> NbdStream::fill_slowly(std::size_t bytes) {
  while (available() < bytes) {
    make_room();
    const iovec space{buffer_.data() + end_, kBuffer - end_};
    const std::int64_t got = co_await receive(&space, 1);
    if (got <= 0) {
      co_return got == 0 ? -ECONNRESET : static_cast<int>(got);
    }
    end_ += static_cast<std::size_t>(got);
  }
  co_return 0;
}

void NbdStream::make_room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ != 0) {
    std::memmove(buffer_.data(), data(), available());
    end_ -= begin_;
    begin_ = 0;
  }
}

Task<int> NbdStream::read(std::byte* to, std::size_t bytes) {
  if (available() < bytes) {
    return read_slowly(to, bytes);
  }
  if (bytes != 0) {  // nothing may lie nowhere
    std::memcpy(to, data(), bytes);
    consume(bytes);
  }
  return 0;
}

// What comes after the payload goes to the buffer with the same call.
Task<int> NbdStream::read_slowly(std::byte* to, std::size_t bytes) {
  std::size_t done = available();
  std::memcpy(to, data(), done);
  begin_ = end_ = 0;
  while (done < bytes) {
    const iovec space[] = {{to + done, bytes - done}, {buffer_.data(), kBuffer}};
    const std::int64_t got = co_await receive(space, 2);
    if (got <= 0) {
      co_return got == 0 ? -ECONNRESET : static_cast<int>(got);
    }
    const std::size_t own = std::min(static_cast<std::size_t>(got), bytes - done);
    done += own;
    end_ = static_cast<std::size_t>(got) - own;
  }
  co_return 0;
}

Task<int> NbdStream::skip(std::uint64_t bytes) {
  while (bytes > 0) {
    if (int error = co_await fill(1); error != 0) {
      co_return error;
    }
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, available()));
    consume(part);
    bytes -= part;
  }
  co_return 0;
}

Task<int> NbdStream::running() {
  if (paused_ && !hung_up_) {
    return wait_for_section();
  }
  return hung_up_ ? -ECONNABORTED : 0;
}

Task<int> NbdStream::wait_for_section() {
  while (paused_ && !hung_up_) {
    ++waiting_;
    co_await resumed_.wait();
    leave();
  }
  co_return hung_up_ ? -ECONNABORTED : 0;
}

Task<std::int64_t> NbdStream::receive(const iovec* iov, std::uint32_t count) {
  for (;;) {
    if (int error = co_await running(); error != 0) {
      co_return error;
    }
    enter();
    SocketAwaiter operation(context_->engine(), IoOpcode::kReceive, socket_, iov, count,
                            &receive_op_);
    operation.poll_first = emptied_;
    const std::int64_t got = co_await operation;
    leave();
    if (!was_paused(got)) {
      ended_ = got == 0;
      emptied_ = got < static_cast<std::int64_t>(bytes_of(iov, count));
      co_return got;
    }
  }
}

// A section that ended before the cancelled operation did has left no other trace.
bool NbdStream::was_paused(std::int64_t result) const {
  return result == -ECANCELED && !context_->is_closing() && !hung_up_;
}

// --- writing

Task<int> NbdStream::write(const std::byte* from, std::size_t bytes) {
  while (bytes > 0) {
    const iovec rest{const_cast<std::byte*>(from), bytes};
    const std::int64_t sent = co_await send(&rest, 1);
    if (sent < 0) {
      co_return static_cast<int>(sent);
    }
    from += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
  co_return 0;
}

// Tried here: a reply nearly always finds room, and then no engine has to hear of it.
Task<std::int64_t> NbdStream::send(const iovec* iov, std::uint32_t count) {
  if (hung_up_) {
    return -ECONNABORTED;
  }
  const std::int64_t sent = aio::send_now(socket_, iov, count);
  return sent == -EAGAIN ? send_slowly(iov, count) : Task<std::int64_t>(sent);
}

Task<std::int64_t> NbdStream::send_slowly(const iovec* iov, std::uint32_t count) {
  while (!hung_up_) {
    if (paused_) {
      leave();
      co_await running();
      enter();
      continue;
    }
    SocketAwaiter operation(context_->engine(), IoOpcode::kSend, socket_, iov, count, &send_op_);
    operation.poll_first = true;
    const std::int64_t sent = co_await operation;
    if (!was_paused(sent)) {
      co_return sent;
    }
  }
  co_return -ECONNABORTED;
}

// --- pauses

void NbdStream::enter() {
  ++active_;
  if (paused_) {
    backend_->hold();
  }
}

void NbdStream::leave() {
  --active_;
  if (paused_) {
    backend_->release();
  }
}

void NbdStream::pause() {
  if (paused_) {
    return;
  }
  paused_ = true;
  for (std::uint32_t left = active_; left > 0; --left) {
    backend_->hold();
  }
  for (aio::IoOp* op : {receive_op_, send_op_}) {
    if (op != nullptr) {
      context_->engine().cancel(op);
    }
  }
}

void NbdStream::resume() {
  if (!paused_) {
    return;
  }
  paused_ = false;
  for (std::uint32_t left = active_; left > 0; --left) {
    backend_->release();
  }
  wake_waiting();
}

void NbdStream::wake_waiting() {
  for (; waiting_ > 0; --waiting_) {
    enter();
    resumed_.wake_one(*context_);
  }
}

// A hang-up that came meanwhile is for whatever socket there is.
void NbdStream::replace_socket(aio::UniqueFd socket) {
  leave_context();
  socket_.fd = std::move(socket);
  if (hung_up_) {
    ::shutdown(socket_.fd.get(), SHUT_RDWR);
  }
}

void NbdStream::hang_up() {
  if (hung_up_) {
    return;
  }
  hung_up_ = true;
  ::shutdown(socket_.fd.get(), SHUT_RDWR);
  wake_waiting();
}

}  // namespace blk::exports
