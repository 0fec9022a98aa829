// Requests of an x-probe node that wait until a test lets them go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drivers/held-requests.hpp"
#include "drivers/probe-hooks.hpp"

namespace blk::drivers {

/// Home thread only.
class ProbeHolds {
 public:
  /// From now on calls of `hook` wait under `tag`, until the tag is released.
  void hold(ProbeHook hook, const std::string& tag);
  /// Lets all that wait under the tag run, in order, and holds no more under it. How many.
  std::int64_t release(const std::string& tag, aio::AioContext& context);
  std::int64_t held(const std::string& tag) const { return held_.count(tag); }

  bool holds(ProbeHook hook) const;
  /// Waits under the tag that was set first. Only when holds().
  HeldRequests::Wait wait(ProbeHook hook, aio::AioContext& context);

 private:
  struct Rule {
    ProbeHook hook;
    std::string tag;
  };
  std::vector<Rule>::const_iterator rule_for(ProbeHook hook) const;

  std::vector<Rule> rules_;
  HeldRequests held_;
};

}  // namespace blk::drivers
