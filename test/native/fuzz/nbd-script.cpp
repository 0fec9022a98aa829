#include "fuzz/nbd-script.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "fuzz/nbd-mutate.hpp"
#include "fuzz/nbd-session.hpp"

namespace blk::fuzz {

namespace {

/// A stream of at most so many bytes may be sent byte by byte.
constexpr std::size_t kShort = 400;

Act random_act(Random& random) {
  if (random.one_in(100)) {
    return Act::kHangUp;
  }
  constexpr std::array<Act, 9> kActs = {Act::kTurn,         Act::kTurn,       Act::kTurn,
                                        Act::kBeginSection, Act::kEndSection, Act::kBriefSection,
                                        Act::kStopReading,  Act::kReadAgain,  Act::kRelease};
  return random.pick(kActs);
}

/// Bytes of the next piece.
std::size_t piece(std::size_t left, std::uint64_t manner, Random& random) {
  switch (manner) {
    case 0:
      return 1;
    case 1:
    case 2:
      return static_cast<std::size_t>(1 + random.below(std::min<std::size_t>(left, 64)));
    case 3:
    case 4:
      return static_cast<std::size_t>(1 + random.below(left));
    default:
      return left;
  }
}

std::vector<Step> cut(std::size_t bytes, Random& random) {
  std::vector<Step> steps;
  const std::uint64_t manner = bytes <= kShort ? random.below(12) : 1 + random.below(11);
  int pieces = 0;
  while (bytes > 0) {
    // Many pieces of a long stream would take long and show nothing new.
    const std::size_t next = ++pieces > 40 && manner != 0 ? bytes : piece(bytes, manner, random);
    steps.push_back({Act::kSend, next});
    bytes -= next;
    if (manner != 0 || random.one_in(8)) {
      steps.push_back({random_act(random), 0});
    }
  }
  return steps;
}

Bytes joined(const std::vector<Message>& messages) {
  Bytes stream;
  for (const Message& message : messages) {
    stream.insert(stream.end(), message.bytes.begin(), message.bytes.end());
  }
  return stream;
}

const char* name_of(Act act) {
  switch (act) {
    case Act::kSend:
      return "send";
    case Act::kTurn:
      return "turn";
    case Act::kStopReading:
      return "stop reading";
    case Act::kReadAgain:
      return "read again";
    case Act::kBeginSection:
      return "begin section";
    case Act::kEndSection:
      return "end section";
    case Act::kBriefSection:
      return "brief section";
    case Act::kHangUp:
      return "hang up";
    default:
      return "release";
  }
}

}  // namespace

Script make_script(std::uint64_t seed) {
  Random random(seed);
  Script script;
  script.seed = seed;
  script.manner = static_cast<Manner>(random.below(4));
  script.ending = random.one_in(3) ? Ending::kClose : Ending::kHalfClose;
  std::vector<Message> messages = random_session(random);
  const std::uint64_t mutation = random.below(8);  // below 2: none
  script.mutated = mutation >= 2;
  if (mutation >= 2 && mutation <= 6) {
    mutate_messages(messages, random);
  }
  script.stream = joined(messages);
  if (mutation >= 6) {
    mutate_bytes(script.stream, random);
  }
  script.steps = cut(script.stream.size(), random);
  return script;
}

std::string describe(const Script& script) {
  constexpr std::size_t kShown = 600;
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "bytes:";
  for (std::size_t at = 0; at < std::min(script.stream.size(), kShown); ++at) {
    text += at % 4 == 0 ? " " : "";
    text += kDigits[script.stream[at] >> 4];
    text += kDigits[script.stream[at] & 15];
  }
  text += script.stream.size() > kShown ? " ...\n" : "\n";
  text += std::to_string(script.stream.size()) + " bytes; ";
  for (const Step& step : script.steps) {
    text += name_of(step.act);
    text += step.act == Act::kSend ? " " + std::to_string(step.bytes) + ", " : ", ";
  }
  text += script.ending == Ending::kClose ? "close\n" : "half-close\n";
  return text;
}

}  // namespace blk::fuzz
