// What an x-probe node counts, and can be told to fail or to hold.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace blk::drivers {

enum class ProbeHook : std::uint8_t {
  kOpen,
  kClose,
  kPread,
  kPwrite,
  kPwriteZeroes,
  kPdiscard,
  kFlush,
  kTruncate,
  kIoctl,
  kBlockStatus,
  kCommit,
  kCheckPermissions,
  kSetPermissions,
  kAbortPermissions,
  kReopenPrepare,
  kReopenCommit,
  kReopenAbort,
  kInactivate,
  kInvalidate,
  kDetachContext,
  kAttachContext,
  kChildrenChanged,
  kLimits,
  kPlug,
  kUnplug,
  kPwriteCompressed,
  kSaveVmstate,
  kLoadVmstate,
  kDrainedBegin,
  kDrainedEnd,
  kEnd,  // not a hook
};

struct ProbeHookTraits {
  std::string_view name;  // as in lib/drivers/probe.ts
  bool waits;             // can be held
  bool fails;             // can be told to fail
};

const ProbeHookTraits& traits_of(ProbeHook hook);
std::optional<ProbeHook> probe_hook_named(std::string_view name);

/// Counters and planned failures. Atomic, because permissions are checked on the thread that owns
/// the graph while requests run at home.
class ProbeHooks {
 public:
  void count(ProbeHook hook) { at(hook).calls.fetch_add(1); }
  std::uint64_t calls(ProbeHook hook) const { return state_[index(hook)].calls.load(); }

  /// The next `times` calls give `error`, a negative errno.
  void fail_next(ProbeHook hook, int error, std::uint32_t times) {
    at(hook).error.store(error);
    at(hook).failures.store(times);
  }
  /// 0, or the error of a failure that was planned and is now used up.
  int take_failure(ProbeHook hook);
  int count_and_take_failure(ProbeHook hook) {
    count(hook);
    return take_failure(hook);
  }

 private:
  struct State {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<int> error{0};
    std::atomic<std::uint32_t> failures{0};
  };
  static std::size_t index(ProbeHook hook) { return static_cast<std::size_t>(hook); }
  State& at(ProbeHook hook) { return state_[index(hook)]; }

  std::array<State, static_cast<std::size_t>(ProbeHook::kEnd)> state_;
};

}  // namespace blk::drivers
