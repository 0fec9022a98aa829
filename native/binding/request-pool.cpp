#include "binding/request-pool.hpp"

#include <cstddef>
#include <utility>

namespace blk::binding {
namespace {

constexpr std::size_t kChunk = 256;

}  // namespace

BoundRequest* RequestPool::take() {
  if (free_.empty()) {
    auto chunk = std::make_unique<BoundRequest[]>(kChunk);
    for (std::size_t i = 0; i < kChunk; ++i) {
      free_.push_back(&chunk[i]);
    }
    chunks_.push_back(std::move(chunk));
  }
  return static_cast<BoundRequest*>(free_.pop_front());
}

void RequestPool::give_back(BoundRequest* request) {
  request->region.reset();
  request->vector.clear();
  request->regions.clear();
  request->backend = nullptr;
  request->copy_target = nullptr;
  request->failed_node = 0;
  request->account = accounting::AccountType::kNone;
  request->report.reset();
  request->uncount_before_callback = false;
  // Last in, first out: the record is still in the cache.
  free_.push_front(request);
}

}  // namespace blk::binding
