// One request of a client: what it asks for, its run on the backend, and its reply.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aio/memory.hpp"
#include "block/backend.hpp"
#include "exports/nbd-protocol.hpp"

namespace blk::exports {

/// As the client sent it.
struct NbdHeader {
  std::uint16_t flags = 0;
  nbd::Command command = nbd::Command::kRead;
  std::uint64_t cookie = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  /// Bytes that follow the header on the wire.
  std::uint64_t payload(bool extended) const {
    const bool has =
        command == nbd::Command::kWrite || (extended && (flags & nbd::kFlagPayloadLength) != 0);
    return has ? length : 0;
  }
};

/// False: it is no request.
bool parse_header(const std::byte* from, bool extended, NbdHeader& header);

/// A place for a request, used for one after the other. From the moment it is read until its reply
/// was sent it belongs to the coroutine that serves it, and then to the writer's queue.
struct NbdRequest : block::Request {
  NbdHeader header;
  /// The data of a read, or of a write; as long as the transfer or longer.
  aio::AlignedBuffer data;
  std::uint64_t data_bytes = 0;  // counted against the connection's limit

  // The reply: head, then body.
  std::array<std::byte, 64> head{};
  std::size_t head_bytes = 0;
  std::vector<std::byte> status;  // of a block-status reply, with the heads of its chunks
  iovec body{};

  NbdRequest* next_reply = nullptr;

  // The coroutine that waits for the backend.
  std::coroutine_handle<> waiter;
  bool is_submitting = false;
  bool is_done = false;
};

/// `co_await BackendCall(request)`: the request, as filled in, on its backend; gives its result. It
/// counts until its coroutine has come to its next wait, or has answered.
class BackendCall {
 public:
  explicit BackendCall(NbdRequest& request) : request_(request) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller);
  std::int64_t await_resume() const noexcept { return request_.result; }

 private:
  static void done(block::Request* request);

  NbdRequest& request_;
};

}  // namespace blk::exports
