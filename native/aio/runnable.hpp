// A unit of work that a context's home runs: the bottom half of QEMU's event loop.
#pragma once

namespace blk::aio {

/// Embedded in whatever wants to run later. `run` may destroy or re-queue the object.
struct Runnable {
  using Function = void (*)(Runnable*);

  Runnable* next = nullptr;
  Function run = nullptr;

  Runnable() = default;
  explicit Runnable(Function function) : run(function) {}
};

}  // namespace blk::aio
