// Whether a server has behaved: all that it said, and all that it did, against what it was sent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/nbd-client.hpp"
#include "fuzz/nbd-requests.hpp"

namespace blk::fuzz {

/// Over all inputs, so that it is seen that they reach everything.
struct Tally {
  std::uint64_t inputs = 0;
  std::uint64_t options = 0;        // that were answered
  std::uint64_t transmissions = 0;  // handshakes that came to their end
  std::uint64_t requests = 0;
  std::uint64_t successes = 0;
  std::uint64_t refusals = 0;
  std::uint64_t writes = 0;  // that reached a disk
};

class Judge {
 public:
  Judge(const Script& script, const Seen& seen, Tally& tally)
      : sent_(script.stream.data(), seen.sent),
        received_(seen.received),
        to_the_end_(seen.to_the_end && !seen.hung_up),
        tally_(tally) {}

  /// Empty, or what is wrong. `writes`: what reached the disks.
  std::string run(const std::vector<WriteNote>& writes);

 private:
  std::string replies();
  std::string simple_reply();
  std::string chunk(bool extended);
  std::string chunk_data(SentRequest& request, std::uint16_t type, Reader data);
  std::string data_chunk(SentRequest& request, Reader& data);
  std::string status_chunk(SentRequest& request, std::uint16_t type, Reader& data);
  std::string error_chunk(SentRequest& request, Reader& data);
  std::string end_of(SentRequest& request, std::uint32_t error);
  std::string check_writes(const std::vector<WriteNote>& writes) const;
  /// Null: no request waits for an answer with that cookie.
  SentRequest* waiting(std::uint64_t cookie);

  Reader sent_;
  Reader received_;
  const bool to_the_end_;
  Tally& tally_;
  Agreement agreement_;
  SentRequests requests_;
};

}  // namespace blk::fuzz
