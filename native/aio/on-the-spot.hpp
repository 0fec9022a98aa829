// A single buffered read or write, done by the home thread itself.
//
// One read by itself costs less by preadv2 than through a ring, whose submission is a system call
// as well, and a longer one. RWF_NOWAIT makes it fail rather than wait for the disk.
//
// Writes have no such flag on most file systems. One by itself costs less in place than on another
// thread, which has to be woken and has to tell; but a file system that is frozen, or that
// throttles writers, then holds up its loop. So it is for contexts that were asked to
// (Engine::write_in_place).
#pragma once

#include <cstdint>

#include "aio/engine.hpp"

namespace blk::aio {

/// Of a read or write: bytes, or a negative errno. Any thread.
std::int64_t transfer_without_waiting(const IoOp& op);
/// True: `op.result` is what the read did. False: it must be handed over. Home thread.
bool read_now(IoOp& op);
/// True: `op.result` is what the write did, however long that took. False: it must be handed over,
/// as one before it was slow. Home thread.
bool write_now(IoOp& op, const Clock& clock);

}  // namespace blk::aio
