// Which ranges of a node are being read or written, and who must wait for whom.
#pragma once

#include <cstdint>

#include "aio/context.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"

namespace blk::block {

enum class TrackedType : std::uint8_t { kRead, kWrite, kDiscard, kTruncate };

class RequestTracker;

/// One request in flight on a node. Lives in its coroutine's frame; registered from construction
/// to destruction. Home thread only.
class TrackedRequest {
 public:
  /// `frame` is the coroutine that it lives in: requests made from there are inside of this one.
  TrackedRequest(RequestTracker& tracker, const aio::Frame* frame, TrackedType type,
                 std::int64_t offset, std::int64_t bytes);
  TrackedRequest(const TrackedRequest&) = delete;
  TrackedRequest& operator=(const TrackedRequest&) = delete;
  ~TrackedRequest();

  TrackedType type() const { return type_; }
  std::int64_t offset() const { return offset_; }
  std::int64_t bytes() const { return bytes_; }

  /// From now on no overlapping request runs beside this one; the range is widened to whole
  /// units, a power of two.
  void make_serialising(std::int64_t unit);
  bool is_serialising() const { return unit_ != 0; }

 private:
  friend class RequestTracker;

  /// What others must not touch: the range, or the units that a serialising one lies in.
  std::int64_t start() const { return unit_ == 0 ? offset_ : offset_ & ~(unit_ - 1); }
  std::int64_t end() const {
    const std::int64_t end = offset_ + bytes_;
    return unit_ == 0 ? end : (end + unit_ - 1) & ~(unit_ - 1);
  }
  bool overlaps(const TrackedRequest& other) const {
    return other.start() < end() && start() < other.end();
  }

  RequestTracker& tracker_;
  const aio::Frame* frame_;
  TrackedRequest* previous_ = nullptr;
  TrackedRequest* next_ = nullptr;
  TrackedType type_;
  std::int64_t offset_;
  std::int64_t bytes_;
  std::int64_t unit_ = 0;  // of a serialising one: a power of two
  TrackedRequest* waiting_for_ = nullptr;
  aio::WaitQueue waiters_;
};

/// The requests in flight of one node.
class RequestTracker {
 public:
  explicit RequestTracker(aio::AioContext* const& context) : context_(context) {}

  /// Nobody needs to wait while this is false (TRK-8).
  bool has_serialising() const { return serialising_ != 0; }
  bool empty() const { return first_ == nullptr; }

  /// Waits until no conflicting request that started earlier is left. Two requests conflict when
  /// they overlap and at least one is serialising. A request that itself waits for `self` is
  /// skipped, so chains cannot deadlock (TRK-5). EDEADLK instead of waiting for a request that
  /// `self` is inside of: that one waits for `self` (TRK-6).
  aio::Task<int> wait_for_conflicts(TrackedRequest& self);
  /// True when wait_for_conflicts() would wait.
  bool has_conflict(const TrackedRequest& self) const { return find_conflict(self) != nullptr; }

 private:
  friend class TrackedRequest;

  TrackedRequest* find_conflict(const TrackedRequest& self) const;

  aio::AioContext* const& context_;
  TrackedRequest* first_ = nullptr;
  std::uint32_t serialising_ = 0;
};

inline TrackedRequest::TrackedRequest(RequestTracker& tracker, const aio::Frame* frame,
                                      TrackedType type, std::int64_t offset, std::int64_t bytes)
    : tracker_(tracker),
      frame_(frame),
      next_(tracker.first_),
      type_(type),
      offset_(offset),
      bytes_(bytes) {
  if (next_ != nullptr) {
    next_->previous_ = this;
  }
  tracker.first_ = this;
}

inline TrackedRequest::~TrackedRequest() {
  if (is_serialising()) {
    --tracker_.serialising_;
  }
  (previous_ != nullptr ? previous_->next_ : tracker_.first_) = next_;
  if (next_ != nullptr) {
    next_->previous_ = previous_;
  }
  if (!waiters_.empty()) {
    waiters_.wake_all(*tracker_.context_);
  }
}

}  // namespace blk::block
