// Which engines this host allows, found by trying. The answer is kept for the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aio/engine.hpp"

namespace blk::aio {

enum class EngineChoice : std::uint8_t { kAuto, kIoUring, kThreads };

/// Where a ring will be driven from: decides between COOP_TASKRUN (polled by Node's loop; with
/// DEFER_TASKRUN a poller of the ring is never woken) and DEFER_TASKRUN (own thread, blocks in it).
enum class RingHome : std::uint8_t { kPolled, kOwnThread };

/// What was chosen and why.
struct EngineReport {
  std::string engine;       // "io_uring" or "threads"
  std::string reason;       // one sentence
  std::uint32_t flags = 0;  // IORING_SETUP_* in force, 0 for threads
  int error = 0;            // negative errno of the refusal, 0 when io_uring works or was not asked
};

/// Creates a ring and runs a no-op through it, peeling off flags that the kernel refuses, once per
/// process. Thread-safe.
const EngineReport& probe_io_uring();

/// Makes the chosen engine; kAuto falls back to threads. Null (with `error`) when kIoUring was
/// asked for and cannot be had, or when even threads cannot. For kIoUring on an own thread: call
/// on that thread.
std::unique_ptr<Engine> make_engine(EngineChoice choice, RingHome home, EngineReport& report,
                                    int& error);

}  // namespace blk::aio
