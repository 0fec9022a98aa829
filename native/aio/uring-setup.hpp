// Making a ring with the flags its home wants, as far as the kernel grants them.
#pragma once

#include <liburing.h>

#include <cstdint>

#include "aio/probe.hpp"

namespace blk::aio {

/// Entries of a ring's submission queue, and the most operations a ring has in flight (PLUG-4).
inline constexpr unsigned kRingEntries = 128;

/// Sets up `ring`; 0 or a negative errno. Every flag that the kernel answers with EINVAL is given
/// up, newest first; `flags` tells which ones are in force. A kernel older than 5.11 is refused
/// with ENOSYS: it cannot wait for a ring with a timeout.
int setup_ring(io_uring& ring, RingHome home, std::uint32_t& flags);
void close_ring(io_uring& ring);

}  // namespace blk::aio
