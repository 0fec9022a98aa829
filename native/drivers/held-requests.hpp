// Requests that wait until somebody lets them go: for drivers that tests stop requests with.
//
// A held request counts as in flight, so sections, moves and close() wait for it. When its
// environment ends it is given up where it stands.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "aio/context.hpp"
#include "aio/sync.hpp"

namespace blk::drivers {

/// By tag, each tag in order of arrival. Home thread only.
class HeldRequests {
 public:
  /// `co_await held.wait(tag);`
  aio::WaitQueue::Waiter wait(const std::string& tag);
  /// How many wait under the tag.
  std::int64_t count(const std::string& tag) const;
  /// Lets the first of them go on; false when there is none.
  bool release_one(const std::string& tag, aio::AioContext& context);
  /// Lets all of them go on, in order. How many.
  std::int64_t release_all(const std::string& tag, aio::AioContext& context);

 private:
  struct Held {
    aio::WaitQueue queue;
    std::int64_t count = 0;
  };

  std::map<std::string, Held> held_;
};

}  // namespace blk::drivers
