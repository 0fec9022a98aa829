// One request to a backend, as its submitter describes it.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "accounting/block-stats.hpp"
#include "aio/memory.hpp"
#include "aio/runnable.hpp"
#include "block/direct-transfer.hpp"
#include "block/error-report.hpp"
#include "block/flags.hpp"
#include "block/status.hpp"
#include "throttle/member.hpp"

namespace blk::block {

class Backend;

enum class Operation : std::uint8_t {  // lib/aio/protocol.ts mirrors the numbers
  kRead = 1,
  kWrite = 2,
  kWriteZeroes = 3,
  kDiscard = 4,
  kFlush = 5,
  kTruncate = 6,
  kIoctl = 7,
  kLength = 8,
  kAbort = 9,  // completes with `argument` as its result (blk_abort_aio_request)
  kCopyRange = 10,
  kSaveVmstate = 11,  // `offset`: the position in the state
  kLoadVmstate = 12,
  kProbeBlockSizes = 13,  // into memory: physical, logical (two 32-bit words)
  kProbeGeometry = 14,    // into memory: cylinders, heads, sectors (three 32-bit words)
  kSgIo = 16,             // 15 is taken in descriptors; memory: see sg-io.hpp
  kSectors = 17,          // the length in sectors, tray or no tray (REQ-9, REQ-10)
  kBlockStatus = 32,      // the answer goes to the request's memory: StatusMemory
  kMakeZero = 33,
  kMakeEmpty = 34,
  kCheck = 35,  // completes with the number of errors
};

/// What a block-status request reads from its memory and writes there; its result are the bytes
/// that are alike. Doubles, as lib/backend/block-status.ts reads them.
struct StatusMemory {
  double base = 0;    // in: id of the node to stop at, 0 for none
  double flags = 0;   // out: StatusFlag
  double offset = 0;  // out: where the bytes lie, when kStatusOffsetValid
  double node = 0;    // out: id of the node in which they lie, 0 for none
  double depth = 0;   // out: which layer says so, 1 for the top
};

enum StatusFlag : std::uint8_t {
  kStatusData = 1,
  kStatusZero = 2,
  kStatusOffsetValid = 4,
  kStatusAllocated = 8,
  kStatusEndOfFile = 16,
};

/// Flags of a block-status request, in the place of RequestFlags; its `argument` are the bytes
/// asked for.
inline constexpr RequestFlags kQueryWantZero = 1U << 0;
inline constexpr RequestFlags kQueryAbove = 1U << 1;
inline constexpr RequestFlags kQueryIncludeBase = 1U << 2;

/// Owned by the submitter, who keeps it (and the memory that it refers to) until `done` was called.
/// From submit() to `done` its `run` belongs to the backend.
struct Request : throttle::Waiter {
  Backend* backend = nullptr;
  Operation operation = Operation::kRead;
  RequestFlags flags = 0;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
  /// ioctl: request code; sectors: 0 if an error means that there are none; truncate: Preallocation
  /// | exact << 8; abort: result; copy range: the offset in `copy_target`.
  std::int64_t argument = 0;
  Backend* copy_target = nullptr;  // lives in the same context
  iovec single{};                  // used when `vector` is empty
  std::vector<iovec> vector;
  std::shared_ptr<aio::MemoryRegion> region;  // set when all of `single` lies in it

  DirectTransfer direct;

  /// As what the backend accounts it; kNone: not at all. Back to kNone once it is accounted.
  accounting::AccountType account = accounting::AccountType::kNone;
  aio::Nanoseconds accounted_since = 0;  // when its latency begins, by the context's clock

  std::int64_t result = 0;              // bytes or value, or negative errno
  std::uint32_t failed_node = 0;        // id of the node where the error arose, 0: none
  std::unique_ptr<ErrorReport> report;  // of a failed truncate
  bool parked = false;
  /// It is JavaScript's (a BoundRequest), so the graph's listener hears when it is parked.
  bool from_script = true;

  /// Called once, on the home thread, never from inside submit() of the same request's caller
  /// unless the caller asked for it by being the home itself (owners that batch handle that).
  void (*done)(Request*) = nullptr;
};

}  // namespace blk::block
