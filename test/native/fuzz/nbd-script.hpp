// What one client does in its life: the bytes that it sends, in which pieces, and what happens
// between them. Made of a number: the same number gives the same script.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/nbd-wire.hpp"

namespace blk::fuzz {

/// When the disk answers.
enum class Manner : std::uint8_t { kAtOnce, kLater, kMixed, kHeld };

enum class Act : std::uint8_t {
  kSend,         // the next `bytes` bytes of the stream
  kTurn,         // the server's loop turns
  kStopReading,  // replies stay in the socket
  kReadAgain,
  kBeginSection,  // all exports are drained ...
  kEndSection,    // ... and go on
  kBriefSection,  // both, without waiting for it to become quiet
  kRelease,       // what the disk holds is answered
  kHangUp,        // the exports are removed, with their clients, and others take their places
};

struct Step {
  Act act = Act::kTurn;
  std::size_t bytes = 0;
};

enum class Ending : std::uint8_t {
  kHalfClose,  // says that it sends no more, and reads until the server ends, too
  kClose,      // goes, whatever is under way
};

struct Script {
  std::uint64_t seed = 0;
  Manner manner = Manner::kAtOnce;
  Ending ending = Ending::kHalfClose;
  bool mutated = false;
  Bytes stream;
  std::vector<Step> steps;  // all of the stream is sent by them
};

Script make_script(std::uint64_t seed);

/// For people.
std::string describe(const Script& script);

}  // namespace blk::fuzz
