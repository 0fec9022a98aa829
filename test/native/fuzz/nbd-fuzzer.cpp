#include "fuzz/nbd-fuzzer.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace blk::fuzz {

namespace {

/// Inputs after which caches are as full as they get.
constexpr std::uint64_t kWarmUp = 500;
constexpr std::uint64_t kMemoryCheck = 64;  // inputs
/// A connection may hold 32 MiB of data in buffers whose sizes are powers of two, keep 8 MiB, and
/// have answers besides.
constexpr std::size_t kMostHeld = 88U << 20;
constexpr std::size_t kMostLeft = 8U << 20;

constexpr std::size_t kBlock = 512;

}  // namespace

std::string Fuzzer::prepare() {
  bystander_ = world_->connect();
  Bytes answer;
  if (!exchange({}, 18, answer)) {
    return "there is no greeting";
  }
  const Bytes choice = Writer()
                           .number(std::uint32_t{3})
                           .number(wire::kOption)
                           .number(wire::kExportName)
                           .number(std::uint32_t{4})
                           .raw("disk")
                           .take();
  return exchange(choice, 10, answer) ? ask_bystander() : "the export is not there";
}

std::string Fuzzer::run(const Script& script) {
  Client client(*world_, script);
  std::string problem = client.run();
  if (problem.empty()) {
    // The bystander was hung up as well.
    const std::uint32_t others = client.seen().hung_up ? 0 : 1;
    const bool gone = world_->run_until(
        [this, others] { return world_->connections() == others && world_->busy() == 0; });
    if (!gone) {
      return "the client has gone, and its connection or its requests have not";
    }
    problem = world_->parked() == 0 ? "" : "requests are parked, and nothing is drained";
  }
  const std::vector<WriteNote> writes = world_->take_writes();
  if (problem.empty()) {
    problem = Judge(script, client.seen(), tally_).run(writes);
  }
  if (problem.empty() && client.seen().hung_up) {
    world_->forget_removed();
    problem = prepare();
  }
  if (problem.empty()) {
    problem = ask_bystander();
  }
  return problem.empty() ? check_memory(client.seen()) : problem;
}

std::string Fuzzer::ask_bystander() {
  const std::uint64_t offset = ++asked_ % 1000 * kBlock;
  const Bytes request = Writer()
                            .number(wire::kRequest)
                            .number(std::uint16_t{0})
                            .number(wire::kRead)
                            .number(asked_)
                            .number(offset)
                            .number(static_cast<std::uint32_t>(kBlock))
                            .take();
  const Bytes head =
      Writer().number(wire::kSimpleReply).number(std::uint32_t{0}).number(asked_).take();
  Bytes answer;
  if (!exchange(request, head.size() + kBlock, answer)) {
    return "another client is served no more";
  }
  const bool right =
      std::equal(head.begin(), head.end(), answer.begin()) &&
      std::equal(answer.begin() + static_cast<std::ptrdiff_t>(head.size()), answer.end(),
                 disk_pattern().begin() + static_cast<std::ptrdiff_t>(offset));
  return right ? "" : "another client is answered wrongly";
}

bool Fuzzer::exchange(const Bytes& out, std::size_t expected, Bytes& in) {
  in.resize(expected);
  std::size_t done = 0;
  if (::send(bystander_.get(), out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL) !=
      static_cast<ssize_t>(out.size())) {
    return false;
  }
  return world_->run_until([&] {
    const ssize_t got = ::recv(bystander_.get(), in.data() + done, expected - done, MSG_DONTWAIT);
    done += got > 0 ? static_cast<std::size_t>(got) : 0;
    return done == expected;
  });
}

std::string Fuzzer::check_memory(const Seen& seen) {
  if (tally_.inputs < kWarmUp) {
    return {};
  }
  if (memory_ == 0) {
    memory_ = live_memory();
  }
  if (seen.memory > memory_ + kMostHeld) {
    return "the client made the server take " + std::to_string(seen.memory - memory_) + " bytes";
  }
  if (tally_.inputs % kMemoryCheck != 0) {
    return {};
  }
  const std::size_t now = live_memory();
  return now > memory_ + kMostLeft
             ? std::to_string(now - memory_) + " bytes more are in use than at first"
             : "";
}

}  // namespace blk::fuzz
