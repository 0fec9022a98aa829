// What becomes of well-formed messages on their way: left out, repeated, swapped, cut, overwritten.
#pragma once

#include <vector>

#include "fuzz/nbd-session.hpp"

namespace blk::fuzz {

/// Changes whole messages, one of them at least.
void mutate_messages(std::vector<Message>& messages, Random& random);
/// Changes bytes, wherever messages begin and end.
void mutate_bytes(Bytes& stream, Random& random);

}  // namespace blk::fuzz
