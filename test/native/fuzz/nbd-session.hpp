// Well-formed clients: what they say, message by message.
#pragma once

#include <vector>

#include "fuzz/nbd-wire.hpp"
#include "fuzz/random.hpp"

namespace blk::fuzz {

struct Message {
  Bytes bytes;
  /// A request, so that there is a cookie in it.
  bool is_request = false;
};

/// Flags, options, the choice of an export, requests, and possibly a farewell.
std::vector<Message> random_session(Random& random);

/// Where a request's cookie is, in bytes.
inline constexpr std::size_t kCookieAt = 8;

}  // namespace blk::fuzz
