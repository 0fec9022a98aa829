// The rules of a blkdebug node: which events arm which errors, and how its state changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "block/debug-event.hpp"

namespace blk::drivers {

/// QAPI's BlkdebugIOType, as bits.
enum class IoType : std::uint8_t {
  kRead = 1U << 0,
  kWrite = 1U << 1,
  kWriteZeroes = 1U << 2,
  kDiscard = 1U << 3,
  kFlush = 1U << 4,
  kBlockStatus = 1U << 5,
};

/// Home thread only.
class BlkdebugRules {
 public:
  struct Injection {
    std::uint32_t id = 0;
    block::DebugEvent event = block::DebugEvent::kNone;
    std::int64_t state = 0;    // 0: any
    std::uint32_t types = 0;   // IoType
    int error = 0;             // negative; 0: matching requests succeed
    std::int64_t sector = -1;  // -1: any
    bool once = false;
    bool immediately = false;
  };

  /// One rule a line, words with single spaces:
  ///   inject-error EVENT STATE TYPES ERRNO SECTOR ONCE IMMEDIATELY
  ///   set-state EVENT STATE NEW_STATE
  /// False when it is something else: lib/ has words for what users can get wrong.
  bool parse(std::string_view text);

  /// The errors of this event are armed, instead of those that were, if it has any in this state;
  /// then the state changes. Where several rules change it, the first does.
  void happen(block::DebugEvent event);
  /// The armed error for a request; where several match, the first rule's. A rule for once is used
  /// up.
  std::optional<Injection> take(IoType type, std::int64_t offset, std::int64_t bytes);
  std::int64_t state() const { return state_; }

 private:
  struct Transition {
    block::DebugEvent event;
    std::int64_t state;
    std::int64_t new_state;
  };

  bool parse_line(std::string_view line);
  bool applies(std::int64_t rule_state) const { return rule_state == 0 || rule_state == state_; }

  std::vector<Injection> injections_;
  std::vector<Transition> transitions_;
  std::vector<Injection> armed_;
  std::int64_t state_ = 1;
};

}  // namespace blk::drivers
