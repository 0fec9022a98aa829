#include "drivers/probe-hooks.hpp"

#include <algorithm>

namespace blk::drivers {
namespace {

// In the order of ProbeHook. A held close could never be released: its handle is gone.
constexpr std::array<ProbeHookTraits, static_cast<std::size_t>(ProbeHook::kEnd)> kTraits{{
    {"open", false, true},
    {"close", false, false},
    {"pread", true, true},
    {"pwrite", true, true},
    {"pwriteZeroes", true, true},
    {"pdiscard", true, true},
    {"flush", true, true},
    {"truncate", true, true},
    {"ioctl", true, true},
    {"blockStatus", true, true},
    {"commit", true, true},
    {"checkPermissions", false, true},
    {"setPermissions", false, false},
    {"abortPermissions", false, false},
    {"reopenPrepare", true, true},
    {"reopenCommit", false, false},
    {"reopenAbort", false, false},
    {"inactivate", true, true},
    {"invalidate", true, true},
    {"detachContext", false, false},
    {"attachContext", false, false},
    {"childrenChanged", false, false},
    {"limits", false, false},
    {"plug", false, false},
    {"unplug", false, false},
    {"pwriteCompressed", true, true},
    {"saveVmstate", true, true},
    {"loadVmstate", true, true},
    {"drainedBegin", false, false},
    {"drainedEnd", false, false},
}};

}  // namespace

const ProbeHookTraits& traits_of(ProbeHook hook) { return kTraits[static_cast<std::size_t>(hook)]; }

std::optional<ProbeHook> probe_hook_named(std::string_view name) {
  const auto* found = std::find_if(kTraits.begin(), kTraits.end(),
                                   [name](const auto& traits) { return traits.name == name; });
  if (found == kTraits.end()) {
    return std::nullopt;
  }
  return static_cast<ProbeHook>(found - kTraits.begin());
}

int ProbeHooks::take_failure(ProbeHook hook) {
  State& state = at(hook);
  std::uint32_t left = state.failures.load();
  while (left > 0) {
    if (state.failures.compare_exchange_weak(left, left - 1)) {
      return state.error.load();
    }
  }
  return 0;
}

}  // namespace blk::drivers
