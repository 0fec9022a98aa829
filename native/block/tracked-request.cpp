#include "block/tracked-request.hpp"

#include <algorithm>
#include <cerrno>

namespace blk::block {

void TrackedRequest::make_serialising(std::int64_t unit) {
  if (unit_ == 0) {
    ++tracker_.serialising_;
  }
  unit_ = std::max(unit_, unit);  // powers of two: the larger unit contains the smaller
}

TrackedRequest* RequestTracker::find_conflict(const TrackedRequest& self) const {
  for (TrackedRequest* other = first_; other != nullptr; other = other->next_) {
    if (other == &self || (!other->is_serialising() && !self.is_serialising())) {
      continue;
    }
    // A request that already waits has promised to re-check after the one it waits for; if that
    // is us, waiting for it would close a circle. Waiting for any waiter could, so none is.
    if (other->waiting_for_ == nullptr && other->overlaps(self)) {
      return other;
    }
  }
  return nullptr;
}

aio::Task<int> RequestTracker::wait_for_conflicts(TrackedRequest& self) {
  while (TrackedRequest* other = find_conflict(self)) {
    if (self.frame_->is_within(other->frame_)) {
      co_return -EDEADLK;
    }
    self.waiting_for_ = other;
    co_await other->waiters_.wait();
    self.waiting_for_ = nullptr;
  }
  co_return 0;
}

}  // namespace blk::block
