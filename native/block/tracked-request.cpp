#include "block/tracked-request.hpp"

#include <algorithm>
#include <cerrno>

namespace blk::block {

TrackedRequest::TrackedRequest(RequestTracker& tracker, const aio::Frame* frame, TrackedType type,
                               std::int64_t offset, std::int64_t bytes)
    : tracker_(tracker),
      frame_(frame),
      next_(tracker.first_),
      type_(type),
      offset_(offset),
      bytes_(bytes),
      overlap_offset_(offset),
      overlap_bytes_(bytes) {
  if (next_ != nullptr) {
    next_->previous_ = this;
  }
  tracker.first_ = this;
}

TrackedRequest::~TrackedRequest() {
  if (serialising_) {
    --tracker_.serialising_;
  }
  (previous_ != nullptr ? previous_->next_ : tracker_.first_) = next_;
  if (next_ != nullptr) {
    next_->previous_ = previous_;
  }
  waiters_.wake_all(*tracker_.context_);
}

void TrackedRequest::make_serialising(std::int64_t alignment) {
  const std::int64_t start = offset_ & ~(alignment - 1);
  const std::int64_t end = (offset_ + bytes_ + alignment - 1) & ~(alignment - 1);
  if (!serialising_) {
    serialising_ = true;
    ++tracker_.serialising_;
  }
  const std::int64_t overlap_end = std::max(overlap_offset_ + overlap_bytes_, end);
  overlap_offset_ = std::min(overlap_offset_, start);
  overlap_bytes_ = overlap_end - overlap_offset_;
}

TrackedRequest* RequestTracker::find_conflict(const TrackedRequest& self) const {
  for (TrackedRequest* other = first_; other != nullptr; other = other->next_) {
    if (other == &self || (!other->serialising_ && !self.serialising_)) {
      continue;
    }
    // A request that already waits has promised to re-check after the one it waits for; if that
    // is us, waiting for it would close a circle. Waiting for any waiter could, so none is.
    if (other->waiting_for_ == nullptr &&
        other->overlaps(self.overlap_offset_, self.overlap_bytes_)) {
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
