// The bytes of replies, simple, structured or with extended headers.
#pragma once

#include <cstdint>
#include <string_view>

#include "exports/nbd-request.hpp"

namespace blk::exports {

/// How a connection replies.
struct NbdReplyStyle {
  bool structured = false;
  bool extended = false;
};

/// Success without data, or with the data of a read.
void make_reply(NbdRequest& request, NbdReplyStyle style);
/// `error`: a negative errno.
void make_error_reply(NbdRequest& request, NbdReplyStyle style, std::int64_t error);

/// The head of one chunk at the end of `to`; its data, `bytes` of them, follows.
void append_chunk_head(std::vector<std::byte>& to, const NbdHeader& header, NbdReplyStyle style,
                       std::uint16_t flags, std::uint16_t type, std::uint64_t bytes);

}  // namespace blk::exports
