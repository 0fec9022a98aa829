#include "drivers/held-requests.hpp"

#include <cerrno>

namespace blk::drivers {

HeldRequests::Wait::Wait(HeldRequests& held, std::string tag, aio::AioContext& context)
    : held_(held), tag_(std::move(tag)), context_(context) {
  run = [](aio::Runnable* self) { static_cast<Wait*>(self)->caller_.resume(); };
  give_up = [](aio::ScriptWait* self) {
    auto* wait = static_cast<Wait*>(self);
    wait->held_.remove(wait->tag_, wait);
    wait->error_ = -EDEADLK;
    wait->context_.schedule(wait);
  };
}

void HeldRequests::Wait::await_suspend(std::coroutine_handle<> caller) {
  caller_ = caller;
  held_.held_[tag_].push_back(this);
  context_.script_waits().note(*this);
}

std::int64_t HeldRequests::count(const std::string& tag) const {
  const auto found = held_.find(tag);
  return found == held_.end() ? 0 : static_cast<std::int64_t>(found->second.size());
}

bool HeldRequests::release_one(const std::string& tag, aio::AioContext& context) {
  const auto found = held_.find(tag);
  if (found == held_.end()) {
    return false;
  }
  Wait* first = found->second.front();
  remove(tag, first);
  context.schedule(first);
  return true;
}

std::int64_t HeldRequests::release_all(const std::string& tag, aio::AioContext& context) {
  const std::int64_t waiting = count(tag);
  while (release_one(tag, context)) {
  }
  return waiting;
}

void HeldRequests::remove(const std::string& tag, const Wait* wait) {
  const auto found = held_.find(tag);
  if (found == held_.end()) {
    return;
  }
  std::erase(found->second, wait);
  if (found->second.empty()) {
    held_.erase(found);
  }
}

}  // namespace blk::drivers
