// Whether buffered writes to a file can go to the ring, found out by its first write.
#pragma once

#include <cerrno>
#include <cstdint>

#include "aio/engine.hpp"

namespace blk::aio {

/// A buffered write whose file is not known yet, on its way to a worker: tried with RWF_NOWAIT, and
/// done the ordinary way if that did not write everything. Not tried in the ring, which answers
/// EAGAIN for ext4 without asking it, and not on the home thread, which a frozen file system would
/// block.
class WriteTrial : public IoOp {
 public:
  /// `mark` tells the engine what comes back (IoOp::engine_state).
  WriteTrial(IoOp* write, std::uint8_t mark);

  IoOp* write() const { return write_; }
  /// Home thread, when the worker is done: keeps in the file what came out.
  void learn() const;

 private:
  std::int64_t perform();

  IoOp* write_;
  int outcome_ = -ECANCELED;  // of the attempt with RWF_NOWAIT
};

}  // namespace blk::aio
