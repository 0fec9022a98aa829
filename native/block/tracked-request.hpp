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

  /// From now on no overlapping request runs beside this one; the range is widened to `alignment`.
  void make_serialising(std::int64_t alignment);
  bool is_serialising() const { return serialising_; }

 private:
  friend class RequestTracker;

  bool overlaps(std::int64_t offset, std::int64_t bytes) const {
    return offset < overlap_offset_ + overlap_bytes_ && overlap_offset_ < offset + bytes;
  }

  RequestTracker& tracker_;
  const aio::Frame* frame_;
  TrackedRequest* previous_ = nullptr;
  TrackedRequest* next_ = nullptr;
  TrackedType type_;
  bool serialising_ = false;
  std::int64_t offset_;
  std::int64_t bytes_;
  std::int64_t overlap_offset_;
  std::int64_t overlap_bytes_;
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

}  // namespace blk::block
