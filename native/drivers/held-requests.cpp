#include "drivers/held-requests.hpp"

namespace blk::drivers {

aio::WaitQueue::Waiter HeldRequests::wait(const std::string& tag) {
  Held& held = held_[tag];
  ++held.count;
  return held.queue.wait();
}

std::int64_t HeldRequests::count(const std::string& tag) const {
  const auto found = held_.find(tag);
  return found == held_.end() ? 0 : found->second.count;
}

bool HeldRequests::release_one(const std::string& tag, aio::AioContext& context) {
  const auto found = held_.find(tag);
  if (found == held_.end()) {
    return false;
  }
  found->second.queue.wake_one(context);
  if (--found->second.count == 0) {
    held_.erase(found);  // a woken coroutine does not look at its queue again
  }
  return true;
}

std::int64_t HeldRequests::release_all(const std::string& tag, aio::AioContext& context) {
  const std::int64_t waiting = count(tag);
  while (release_one(tag, context)) {
  }
  return waiting;
}

}  // namespace blk::drivers
