// The requests in what a client has sent, and what may become of each.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "fuzz/nbd-disk.hpp"
#include "fuzz/nbd-handshake.hpp"

namespace blk::fuzz {

struct SentRequest {
  std::uint16_t flags = 0;
  std::uint16_t command = 0;
  std::uint64_t cookie = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t digest = 0;  // of a write's data

  /// Errors that it may be answered with; 0 among them: success.
  std::set<std::uint32_t> outcomes;

  // How far its answer is.
  std::uint64_t data_seen = 0;
  std::set<std::uint32_t> contexts_seen;
  bool failed = false;
  bool answered = false;
};

struct SentRequests {
  std::vector<SentRequest> list;
  /// The client has said farewell, or has ended between two requests.
  bool end_cleanly = true;
  /// Two have the same cookie, so nobody can tell their answers apart.
  bool ambiguous = false;
};

SentRequests parse_requests(Reader& sent, const Agreement& agreement);

}  // namespace blk::fuzz
