// One user of a throttle group: a backend, or a throttle node. It has the queues of its requests
// and a place for the group's timers.
//
// Threads: everything on the home thread of its context, except join and leave (see group.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>

#include "aio/context.hpp"
#include "aio/list.hpp"
#include "aio/timer.hpp"
#include "throttle/limits.hpp"

namespace blk::throttle {

class Group;
class Member;

/// A request that may have to wait. `run` is called when it may go on, on the member's home thread;
/// it is charged by then.
struct Waiter : aio::Runnable {
  std::int64_t throttled_bytes = 0;
  aio::Nanoseconds throttled_since = 0;
  Direction direction = Direction::kRead;
};

using WaiterList = aio::IntrusiveList<aio::Runnable>;

/// How long requests waited, by powers of two: bucket i counts those of less than 2^i nanoseconds
/// (the last one all that are longer). Counted under a guard; any thread may read. Most backends
/// are never limited, so there is none before the first wait: 384 bytes a direction.
class WaitHistogram {
 public:
  static constexpr std::size_t kWaitBuckets = 48;  // up to 2^47 ns, 39 hours

  void add(aio::Nanoseconds waited) {
    if (owned_ == nullptr) {
      owned_.reset(new (std::nothrow) Buckets{});
      buckets_.store(owned_.get(), std::memory_order_release);
    }
    const auto width = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(waited)));
    if (owned_ != nullptr) {
      (*owned_)[std::min(width, kWaitBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
    }
  }
  std::uint64_t count(std::size_t bucket) const {
    const Buckets* buckets = buckets_.load(std::memory_order_acquire);
    return buckets != nullptr ? (*buckets)[bucket].load(std::memory_order_relaxed) : 0;
  }

 private:
  using Buckets = std::array<std::atomic<std::uint64_t>, kWaitBuckets>;
  std::unique_ptr<Buckets> owned_;
  std::atomic<const Buckets*> buckets_{nullptr};  // as readers see them
};

/// What requests of one direction waited. Counted inside the group's guard, read from anywhere.
struct WaitCounters {
  std::atomic<std::uint64_t> throttled{0};     // requests that had to wait, ever
  std::atomic<std::uint64_t> throttled_ns{0};  // how long, of those that went on
  WaitHistogram waits;                         // the same

  void began() { throttled.fetch_add(1, std::memory_order_relaxed); }
  void ended(aio::Nanoseconds waited) {
    throttled_ns.fetch_add(static_cast<std::uint64_t>(waited), std::memory_order_relaxed);
    waits.add(waited);
  }
};

/// One direction of a member.
struct Lane {
  struct Timer : aio::Timer {
    explicit Timer(Lane& owner);
    Lane& lane;
  };
  /// Brings a deadline home that another thread chose.
  struct Message : aio::Runnable {
    explicit Message(Lane& owner);
    Lane& lane;
  };

  Lane(Member& owner, Direction which) : member(owner), direction(which) {}

  Member& member;
  const Direction direction;
  WaiterList queue;  // oldest first
  Timer timer{*this};
  // Guarded by the group.
  Message message{*this};
  bool message_sent = false;
  aio::Nanoseconds deadline = 0;
  // Read from anywhere.
  std::atomic<std::uint32_t> waiting{0};
  WaitCounters waited;
};

class Member {
 public:
  explicit Member(aio::AioContext& context) : context_(&context) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  /// Out of its group by now (Group::leave).
  ~Member() = default;

  aio::AioContext& context() const { return *context_; }
  /// Only while nothing waits. What the group's timer was armed for goes on with somebody else.
  void move_to(aio::AioContext& context);

  Group* group() const { return group_; }

  /// True: it is charged and may go on. False: it waits, and `waiter.run` is called later. Requests
  /// of one direction go on in the order of these calls. Defined in group.hpp.
  bool admit(Waiter& waiter, Direction direction, std::int64_t bytes);
  /// The same for one who need not be called back: false is answered by admit(), at once.
  bool admit_now(Direction direction, std::int64_t bytes);
  /// It waits, and leaves the queue uncharged.
  void cancel(const Waiter& waiter);
  /// The first that waits and for which `match` holds; null: there is none. Only the home thread
  /// changes the queues, so it may look without the group's lock.
  template <typename Predicate>
  Waiter* find_waiting(Predicate match) {
    Waiter* found = nullptr;
    for (const Lane& lane : lanes_) {
      lane.queue.for_each([&](aio::Runnable& item) {
        auto& waiter = static_cast<Waiter&>(item);
        found = found == nullptr && match(waiter) ? &waiter : found;
      });
    }
    return found;
  }

  /// While bypassed nobody waits, who waited goes on at once, and all are charged (TG-20). Nests.
  void bypass_begin();
  void bypass_end() { --bypass_; }
  bool is_bypassed() const { return bypass_ != 0; }

  const Lane& lane(Direction direction) const {
    return lanes_[static_cast<std::size_t>(direction)];
  }

 private:
  friend class Group;
  bool admit_in_group(Waiter& waiter, Direction direction, std::int64_t bytes);
  Lane& lane(Direction direction) { return lanes_[static_cast<std::size_t>(direction)]; }

  aio::AioContext* context_;
  Group* group_ = nullptr;
  std::array<Lane, 2> lanes_{Lane{*this, Direction::kRead}, Lane{*this, Direction::kWrite}};
  std::uint32_t bypass_ = 0;
  // The group's ring.
  Member* next_ = nullptr;
  Member* previous_ = nullptr;
};

}  // namespace blk::throttle
