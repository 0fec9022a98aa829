#include "drivers/throttle.hpp"

#include <cerrno>
#include <coroutine>

#include "block/node.hpp"
#include "throttle/group.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;
using throttle::Direction;

namespace {

/// `co_await` until the group permits.
struct Turn : throttle::Waiter {
  Turn(throttle::Member& whose, Direction way, std::int64_t size) : member(whose) {
    direction = way;
    throttled_bytes = size;
    run = [](aio::Runnable* self) { static_cast<Turn*>(self)->waiting.resume(); };
  }

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    waiting = caller;
    return !member.admit(*this, direction, throttled_bytes);
  }
  void await_resume() const {}

  throttle::Member& member;
  std::coroutine_handle<> waiting;
};

template <typename Start>
Task<Status> wait_then(throttle::Member& member, Direction direction, std::int64_t bytes,
                       Start start) {
  Turn turn(member, direction, bytes);
  co_await turn;
  Task<Status> request = start();
  co_return co_await request;
}

/// Without a frame when the request need not wait.
template <typename Start>
Task<Status> throttled(throttle::Member& member, Direction direction, std::int64_t bytes,
                       Start start) {
  if (member.admit_now(direction, bytes)) {
    return start();
  }
  return wait_then(member, direction, bytes, start);
}

}  // namespace

Task<Status> ThrottleDriver::open(block::Node& node, const block::Options& /*options*/,
                                  block::ErrorReport& /*report*/) {
  child_ = node.primary_child();
  member_.emplace(node.context());
  return Status(child_ != nullptr ? 0 : -EINVAL);
}

Task<Status> ThrottleDriver::preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                    block::RequestFlags flags) {
  return throttled(*member_, Direction::kRead, bytes,
                   [=, this] { return FilterDriver::preadv(offset, bytes, data, flags); });
}

Task<Status> ThrottleDriver::pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                     block::RequestFlags flags) {
  return throttled(*member_, Direction::kWrite, bytes,
                   [=, this] { return FilterDriver::pwritev(offset, bytes, data, flags); });
}

Task<Status> ThrottleDriver::pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                           block::RequestFlags flags) {
  return throttled(*member_, Direction::kWrite, bytes,
                   [=, this] { return FilterDriver::pwrite_zeroes(offset, bytes, flags); });
}

Task<Status> ThrottleDriver::pwritev_compressed(std::int64_t offset, std::int64_t bytes,
                                                block::IoView data) {
  return throttled(*member_, Direction::kWrite, bytes,
                   [=, this] { return pwrite_compressed_to_child(offset, bytes, data); });
}

Task<Status> ThrottleDriver::pdiscard(std::int64_t offset, std::int64_t bytes) {
  return throttled(*member_, Direction::kWrite, bytes,
                   [=, this] { return FilterDriver::pdiscard(offset, bytes); });
}

}  // namespace blk::drivers
