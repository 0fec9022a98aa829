#include "exports/nbd-reply.hpp"

#include "exports/nbd-option-data.hpp"

namespace blk::exports {

namespace {

/// The head of a chunk at `at`, which moves behind it.
void store_chunk_head(std::byte*& at, const NbdHeader& header, NbdReplyStyle style,
                      std::uint16_t flags, std::uint16_t type, std::uint64_t bytes) {
  nbd::store(at, style.extended ? nbd::kExtendedReplyMagic : nbd::kStructuredReplyMagic);
  nbd::store(at, flags);
  nbd::store(at, type);
  nbd::store(at, header.cookie);
  if (style.extended) {
    nbd::store(at, header.offset);
    nbd::store(at, bytes);
  } else {
    nbd::store(at, static_cast<std::uint32_t>(bytes));
  }
}

void finish_head(NbdRequest& request, const std::byte* end) {
  request.head_bytes = static_cast<std::size_t>(end - request.head.data());
}

void make_simple_head(NbdRequest& request, std::uint32_t error) {
  std::byte* at = request.head.data();
  nbd::store(at, nbd::kSimpleReplyMagic);
  nbd::store(at, error);
  nbd::store(at, request.header.cookie);
  finish_head(request, at);
}

}  // namespace

void append_chunk_head(std::vector<std::byte>& to, const NbdHeader& header, NbdReplyStyle style,
                       std::uint16_t flags, std::uint16_t type, std::uint64_t bytes) {
  std::byte head[nbd::kExtendedReplyBytes];
  std::byte* at = head;
  store_chunk_head(at, header, style, flags, type, bytes);
  to.insert(to.end(), head, at);
}

// Only reads need chunks where headers are short.
void make_reply(NbdRequest& request, NbdReplyStyle style) {
  const NbdHeader& header = request.header;
  const bool is_read = header.command == nbd::Command::kRead;
  request.body = {request.data.data(), is_read ? static_cast<std::size_t>(header.length) : 0};
  if (!style.extended && !(style.structured && is_read)) {
    make_simple_head(request, 0);
    return;
  }
  std::byte* at = request.head.data();
  if (!is_read || header.length == 0) {
    store_chunk_head(at, header, style, nbd::kChunkDone, nbd::kChunkNone, 0);
  } else {
    store_chunk_head(at, header, style, nbd::kChunkDone, nbd::kChunkOffsetData,
                     sizeof(header.offset) + header.length);
    nbd::store(at, header.offset);
  }
  finish_head(request, at);
}

void make_error_reply(NbdRequest& request, NbdReplyStyle style, std::int64_t error) {
  request.body = {};
  const std::uint32_t code = nbd::wire_error(error);
  const nbd::Command command = request.header.command;
  const bool in_chunks =
      style.extended || (style.structured &&
                         (command == nbd::Command::kRead || command == nbd::Command::kBlockStatus));
  if (!in_chunks) {
    make_simple_head(request, code);
    return;
  }
  std::byte* at = request.head.data();
  store_chunk_head(at, request.header, style, nbd::kChunkDone, nbd::kChunkError,
                   sizeof(code) + sizeof(std::uint16_t));
  nbd::store(at, code);
  nbd::store(at, std::uint16_t{0});  // no text
  finish_head(request, at);
}

}  // namespace blk::exports
