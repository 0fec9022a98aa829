// A single buffered read, done on the spot when the page cache has it.
//
// One read by itself costs less by preadv2 than through a ring, whose submission is a system call
// as well, and a longer one. RWF_NOWAIT makes it fail rather than wait for the disk.
#pragma once

#include <cstdint>

#include "aio/engine.hpp"

namespace blk::aio {

/// Of a read or write: bytes, or a negative errno. Any thread.
std::int64_t transfer_without_waiting(const IoOp& op);
/// True: `op.result` is what the read did. False: it must be handed over. Home thread.
bool read_now(IoOp& op);

}  // namespace blk::aio
