// One request to a backend, as its submitter describes it.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "aio/memory.hpp"
#include "aio/runnable.hpp"
#include "block/error-report.hpp"
#include "block/flags.hpp"
#include "block/status.hpp"

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
};

/// Owned by the submitter, who keeps it (and the memory that it refers to) until `done` was called.
struct Request : aio::Runnable {
  Backend* backend = nullptr;
  Operation operation = Operation::kRead;
  RequestFlags flags = 0;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
  std::int64_t argument =
      0;           // ioctl: request code; truncate: Preallocation | exact << 8; abort: result
  iovec single{};  // used when `vector` is empty
  std::vector<iovec> vector;
  std::shared_ptr<aio::MemoryRegion> region;  // set when all of `single` lies in it

  std::int64_t result = 0;              // bytes or value, or negative errno
  std::uint32_t failed_node = 0;        // id of the node where the error arose, 0: none
  std::unique_ptr<ErrorReport> report;  // of a failed truncate
  bool parked = false;
  /// Its owner wants the graph's listener to know when it is parked.
  bool tells_parking = true;

  /// Called once, on the home thread, never from inside submit() of the same request's caller
  /// unless the caller asked for it by being the home itself (owners that batch handle that).
  void (*done)(Request*) = nullptr;
};

}  // namespace blk::block
