#include "drivers/probe-holds.hpp"

#include <algorithm>

namespace blk::drivers {

void ProbeHolds::hold(ProbeHook hook, const std::string& tag) { rules_.push_back({hook, tag}); }

std::int64_t ProbeHolds::release(const std::string& tag, aio::AioContext& context) {
  std::erase_if(rules_, [&tag](const Rule& rule) { return rule.tag == tag; });
  return held_.release_all(tag, context);
}

std::vector<ProbeHolds::Rule>::const_iterator ProbeHolds::rule_for(ProbeHook hook) const {
  return std::find_if(rules_.begin(), rules_.end(),
                      [hook](const Rule& rule) { return rule.hook == hook; });
}

bool ProbeHolds::holds(ProbeHook hook) const { return rule_for(hook) != rules_.end(); }

HeldRequests::Wait ProbeHolds::wait(ProbeHook hook, aio::AioContext& context) {
  return held_.wait(rule_for(hook)->tag, context);
}

}  // namespace blk::drivers
