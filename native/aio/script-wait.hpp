// Waits that only JavaScript ends, and what becomes of them while JavaScript itself waits.
//
// A synchronous request that comes to such a wait would never be done. So, when a home is about to
// sleep with nothing under way while JavaScript waits for one of its requests, the youngest wait
// that has begun since then ends with EDEADLK. Home thread only.
#pragma once

#include <vector>

#include "aio/runnable.hpp"

namespace blk::aio {

struct ScriptWait : Runnable {
  /// Ends the wait with EDEADLK: `run` is scheduled next.
  void (*give_up)(ScriptWait* self) = nullptr;
};

class ScriptWaits {
 public:
  /// JavaScript waits for a request of this home, and does nothing else meanwhile.
  void begin() {
    waits_.clear();
    blocked_ = true;
  }
  void end() { blocked_ = false; }

  /// While JavaScript waits nobody ends a wait, so what is noted here stays until it is taken.
  void note(ScriptWait& wait) {
    if (blocked_) {
      waits_.push_back(&wait);
    }
  }
  /// Null when no wait keeps JavaScript waiting.
  ScriptWait* take_youngest() {
    if (!blocked_ || waits_.empty()) {
      return nullptr;
    }
    ScriptWait* youngest = waits_.back();
    waits_.pop_back();
    return youngest;
  }

 private:
  std::vector<ScriptWait*> waits_;
  bool blocked_ = false;
};

}  // namespace blk::aio
