// One input after the other against one server, which must be as it was after each.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "fuzz/nbd-judge.hpp"
#include "fuzz/nbd-world.hpp"

namespace blk::fuzz {

class Fuzzer {
 public:
  explicit Fuzzer(std::unique_ptr<World> world) : world_(std::move(world)) {}

  /// Empty, or what is wrong. A client that wishes well is there all the time.
  std::string prepare();
  std::string run(const Script& script);
  const Tally& tally() const { return tally_; }

 private:
  std::string ask_bystander();
  bool exchange(const Bytes& out, std::size_t expected, Bytes& in);
  std::string check_memory(const Seen& seen);

  const std::unique_ptr<World> world_;
  aio::UniqueFd bystander_;
  Tally tally_;
  std::uint64_t asked_ = 0;
  std::size_t memory_ = 0;  // live, when nobody but the bystander was there
};

}  // namespace blk::fuzz
