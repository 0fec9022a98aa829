// A request that JavaScript waits for: what the block layer needs plus the slot to answer to.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aio/memory.hpp"
#include "block/request.hpp"

namespace blk::binding {

class HomedContext;

/// Made and freed on the JavaScript thread; in between it belongs to its context's home.
struct BoundRequest : block::Request {
  HomedContext* home = nullptr;
  std::int32_t slot = 0;
  std::int32_t generation = 0;
  bool remote = false;                   // its home is another thread
  bool uncount_before_callback = false;  // aborted requests (AIO-6)
  void* owner = nullptr;                 // of a synchronous request: who waits
  /// Keeps the memory of a vectored request (a plain one has `region`).
  std::vector<std::shared_ptr<aio::MemoryRegion>> regions;
  /// JavaScript thread, before the result is written to the completion buffer: turns the outcome of
  /// a control request into what JavaScript is to see. Null for plain requests.
  void (*settle)(BoundRequest*) = nullptr;
  /// Frees the object; null: back to the pool.
  void (*destroy)(BoundRequest*) = nullptr;
};

}  // namespace blk::binding
