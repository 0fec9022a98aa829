// An eventfd that is written at most once until its owner looked: many producers, one sleeper.
#pragma once

#include <atomic>
#include <cstdint>

#include "aio/file.hpp"

namespace blk::aio {

class Doorbell {
 public:
  /// Valid only if open() gave 0.
  Doorbell() = default;
  /// 0 or a negative errno.
  int open();

  int fd() const { return fd_.get(); }

  /// Any thread. One system call, and none while an earlier ring has not been answered.
  void ring();

  /// Sleeper only: call before looking at what the producers left. `drain` also reads the eventfd
  /// (leave it to whoever polls or reads the descriptor otherwise).
  void answer(bool drain);

 private:
  UniqueFd fd_;
  std::atomic<bool> rung_{false};
  std::int64_t owed_ = 0;  // writes of answered rings that were not read yet; sleeper only
};

}  // namespace blk::aio
