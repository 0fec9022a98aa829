#include "fuzz/nbd-judge.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace blk::fuzz {

namespace {

constexpr std::uint16_t kDone = 1;
constexpr std::uint16_t kNone = 0;
constexpr std::uint16_t kOffsetData = 1;
constexpr std::uint16_t kStatus = 5;
constexpr std::uint16_t kExtendedStatus = 6;
constexpr std::uint16_t kErrorChunks = 1U << 15;
/// More than any answer is long; what is announced is not always there.
constexpr std::uint64_t kMostChunk = 64U << 20;

std::string about(const SentRequest& request, const char* what) {
  return "request " + std::to_string(request.command) + ", flags " + std::to_string(request.flags) +
         ", " + std::to_string(request.offset) + "+" + std::to_string(request.length) + ": " + what;
}

bool is_pattern(const std::uint8_t* data, std::uint64_t offset, std::uint64_t bytes) {
  return std::memcmp(data, disk_pattern().data() + offset, bytes) == 0;
}

}  // namespace

std::string Judge::run(const std::vector<WriteNote>& writes) {
  ++tally_.inputs;
  tally_.writes += writes.size();
  Handshake handshake(sent_, received_, to_the_end_);
  std::string problem = handshake.run();
  tally_.options += handshake.options();
  agreement_ = handshake.agreement();
  if (!problem.empty()) {
    return problem;
  }
  if (agreement_.item == nullptr) {
    return to_the_end_ && !writes.empty() ? "something was written before an export was chosen"
                                          : "";
  }
  ++tally_.transmissions;
  requests_ = parse_requests(sent_, agreement_);
  tally_.requests += requests_.list.size();
  if (requests_.ambiguous) {
    return {};
  }
  problem = replies();
  return problem.empty() ? check_writes(writes) : problem;
}

// --- replies

std::string Judge::replies() {
  while (received_.left() > 0) {
    const auto magic = received_.number<std::uint32_t>();
    const bool extended = magic == wire::kExtendedReply;
    std::string problem;
    if (magic == wire::kSimpleReply && !agreement_.extended) {
      problem = simple_reply();
    } else if (extended ? agreement_.extended
                        : magic == wire::kStructuredReply && agreement_.structured &&
                              !agreement_.extended) {
      problem = chunk(extended);
    } else if (!received_.is_short()) {
      return "a reply has the wrong magic";
    }
    if (!problem.empty()) {
      return problem;
    }
  }
  if (!to_the_end_ || !requests_.end_cleanly) {
    return {};
  }
  if (received_.is_short()) {
    return "the last reply is cut off";
  }
  for (const SentRequest& request : requests_.list) {
    if (!request.answered) {
      return about(request, "no answer");
    }
  }
  return {};
}

SentRequest* Judge::waiting(std::uint64_t cookie) {
  const auto found = std::find_if(
      requests_.list.begin(), requests_.list.end(),
      [cookie](const auto& request) { return request.cookie == cookie && !request.answered; });
  return found != requests_.list.end() ? &*found : nullptr;
}

std::string Judge::simple_reply() {
  const auto error = received_.number<std::uint32_t>();
  const auto cookie = received_.number<std::uint64_t>();
  if (received_.is_short()) {
    return {};
  }
  SentRequest* request = waiting(cookie);
  if (request == nullptr) {
    return "a simple reply to nobody";
  }
  const bool is_read = request->command == wire::kRead;
  if (agreement_.structured && (is_read || request->command == wire::kBlockStatus)) {
    return about(*request, "a simple reply, where chunks were agreed upon");
  }
  if (is_read && error == 0) {
    const std::uint8_t* data = received_.skip(request->length);
    if (received_.is_short()) {
      return {};
    }
    if (request->outcomes.contains(0) && !is_pattern(data, request->offset, request->length)) {
      return about(*request, "the wrong data");
    }
    request->data_seen = request->length;
  }
  return end_of(*request, error);
}

std::string Judge::chunk(bool extended) {
  const auto flags = received_.number<std::uint16_t>();
  const auto type = received_.number<std::uint16_t>();
  const auto cookie = received_.number<std::uint64_t>();
  const auto offset = extended ? received_.number<std::uint64_t>() : 0;
  const auto length =
      extended ? received_.number<std::uint64_t>() : received_.number<std::uint32_t>();
  if (received_.is_short()) {
    return {};
  }
  SentRequest* request = waiting(cookie);
  if (request == nullptr) {
    return "a chunk for nobody";
  }
  if ((flags & ~kDone) != 0 || length > kMostChunk || (extended && offset != request->offset)) {
    return about(*request, "a chunk with a malformed head");
  }
  const std::uint8_t* from = received_.skip(length);
  if (received_.is_short()) {
    return {};
  }
  const bool done = (flags & kDone) != 0;
  if (type == kNone) {
    if (!done || length != 0) {
      return about(*request, "a chunk without content that has some, or is not the last");
    }
  } else if (std::string problem = chunk_data(*request, type, {from, length}); !problem.empty()) {
    return problem;
  }
  return done && !request->failed ? end_of(*request, 0) : std::string();
}

std::string Judge::chunk_data(SentRequest& request, std::uint16_t type, Reader data) {
  if ((type & kErrorChunks) != 0) {
    return error_chunk(request, data);
  }
  if (type == kOffsetData) {
    return data_chunk(request, data);
  }
  if (type == (agreement_.extended ? kExtendedStatus : kStatus)) {
    return status_chunk(request, type, data);
  }
  return about(request, "a chunk of an unknown type");
}

std::string Judge::data_chunk(SentRequest& request, Reader& data) {
  const auto offset = data.number<std::uint64_t>();
  const std::uint64_t bytes = data.left();
  const std::uint8_t* from = data.skip(bytes);
  if (request.command != wire::kRead || data.is_short() || bytes == 0 ||
      offset != request.offset + request.data_seen || bytes > request.length - request.data_seen) {
    return about(request, "data that it did not ask for");
  }
  request.data_seen += bytes;
  if (request.outcomes.contains(0) && !is_pattern(from, offset, bytes)) {
    return about(request, "the wrong data");
  }
  return {};
}

std::string Judge::status_chunk(SentRequest& request, std::uint16_t type, Reader& data) {
  const bool wide = type == kExtendedStatus;
  const auto id = data.number<std::uint32_t>();
  const std::uint64_t announced = wide ? data.number<std::uint32_t>() : 0;
  const std::size_t each = wide ? 16 : 8;
  const std::uint64_t count = data.left() / each;
  if (request.command != wire::kBlockStatus || data.is_short() || data.left() % each != 0 ||
      count == 0 || (wide && announced != count)) {
    return about(request, "a malformed status");
  }
  if (!agreement_.contexts.contains(id) || !request.contexts_seen.insert(id).second) {
    return about(request, "the status of another context, or the same twice");
  }
  if ((request.flags & wire::kReqOne) != 0 && count != 1) {
    return about(request, "more extents than one");
  }
  std::uint64_t covered = 0;
  for (std::uint64_t left = count; left > 0; --left) {
    const std::uint64_t bytes = wide ? data.number<std::uint64_t>() : data.number<std::uint32_t>();
    data.skip(each / 2);
    if (bytes == 0 || bytes > request.length - covered) {
      return about(request, "an extent of no length, or beyond what was asked for");
    }
    covered += bytes;
  }
  return {};
}

std::string Judge::error_chunk(SentRequest& request, Reader& data) {
  const auto error = data.number<std::uint32_t>();
  const auto text = data.number<std::uint16_t>();
  if (data.is_short() || error == 0 || data.left() < text) {
    return about(request, "a malformed error");
  }
  request.failed = true;
  return end_of(request, error);
}

std::string Judge::end_of(SentRequest& request, std::uint32_t error) {
  request.answered = true;
  ++(error == 0 ? tally_.successes : tally_.refusals);
  if (!request.outcomes.contains(error)) {
    return about(request, ("its result is " + std::to_string(error)).c_str());
  }
  if (error == 0 && request.command == wire::kRead && request.data_seen != request.length) {
    return about(request, "less data than it asked for");
  }
  if (error == 0 && request.command == wire::kBlockStatus &&
      request.contexts_seen != agreement_.contexts) {
    return about(request, "the status of some of its contexts only");
  }
  return {};
}

// --- what reached the disks

// Nothing but the writes that came whole and made sense, each once; after a clean end, all of them.
std::string Judge::check_writes(const std::vector<WriteNote>& writes) const {
  std::vector<WriteNote> expected;
  for (const SentRequest& request : requests_.list) {
    const bool runs = request.outcomes.contains(0) || request.outcomes.contains(5);
    if (request.command == wire::kWrite && runs && request.length > 0) {
      expected.push_back({request.offset, request.length, request.digest});
    }
  }
  for (const WriteNote& note : writes) {
    const auto found = std::find(expected.begin(), expected.end(), note);
    if (found == expected.end()) {
      return "a write reached the disk that nobody sent, at " + std::to_string(note.offset) + "+" +
             std::to_string(note.bytes);
    }
    expected.erase(found);
  }
  const bool all = to_the_end_ && requests_.end_cleanly;
  return all && !expected.empty() ? "a write was answered, and reached no disk" : "";
}

}  // namespace blk::fuzz
