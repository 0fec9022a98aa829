#include "fuzz/nbd-requests.hpp"

#include <utility>

namespace blk::fuzz {

namespace {

// Errors as the protocol numbers them.
constexpr std::uint32_t kPermission = 1;
constexpr std::uint32_t kInputOutput = 5;
constexpr std::uint32_t kInvalid = 22;
constexpr std::uint32_t kNoSpace = 28;
constexpr std::uint32_t kUnsupported = 95;

bool is_transfer(std::uint16_t command) {
  return command == wire::kRead || command == wire::kWrite;
}

bool is_change(std::uint16_t command) {
  return command == wire::kWrite || command == wire::kTrim || command == wire::kWriteZeroes;
}

std::uint16_t allowed_flags(const SentRequest& request, const Agreement& agreement) {
  unsigned flags = wire::kFua;
  switch (request.command) {
    case wire::kRead:
      flags |= agreement.structured ? wire::kDf : 0U;
      break;
    case wire::kWrite:
      flags |= agreement.extended ? wire::kPayload : 0U;
      break;
    case wire::kWriteZeroes:
      flags |= wire::kNoHole | wire::kFastZero;
      break;
    case wire::kBlockStatus:
      flags |= wire::kReqOne;
      break;
    default:
      break;
  }
  return static_cast<std::uint16_t>(flags);
}

bool is_beyond_end(const SentRequest& request, const Agreement& agreement) {
  const auto size = static_cast<std::uint64_t>(agreement.item->size());
  return request.offset > size || request.length > size - request.offset;
}

bool touches_bad_bytes(const SentRequest& request) {
  return request.length != 0 && request.offset < static_cast<std::uint64_t>(kBadEnd) &&
         request.offset + request.length > static_cast<std::uint64_t>(kBadStart);
}

// Why it must be refused; whoever is wrong in several ways may be told any of them.
std::set<std::uint32_t> refusals(const SentRequest& request, const Agreement& agreement) {
  std::set<std::uint32_t> errors;
  const bool is_known = request.command <= wire::kBlockStatus;
  const bool has_limit = is_transfer(request.command) || request.command == wire::kCache;
  if (!is_known || (request.flags & ~allowed_flags(request, agreement)) != 0 ||
      (has_limit && request.length > wire::kMostData)) {
    errors.insert(kInvalid);
  }
  if (agreement.extended && request.command == wire::kWrite &&
      (request.flags & wire::kPayload) == 0) {
    errors.insert(kInvalid);
  }
  if (request.command == wire::kBlockStatus &&
      (agreement.contexts.empty() || request.length == 0)) {
    errors.insert(kInvalid);
  }
  if (is_change(request.command) && agreement.item->read_only) {
    errors.insert(kPermission);
  }
  if (request.command != wire::kFlush && is_beyond_end(request, agreement)) {
    errors.insert(kInvalid);
    if (is_change(request.command)) {
      errors.insert(kNoSpace);
    }
  }
  return errors;
}

std::set<std::uint32_t> outcomes_of(const SentRequest& request, const Agreement& agreement) {
  std::set<std::uint32_t> outcomes = refusals(request, agreement);
  if (!outcomes.empty()) {
    return outcomes;
  }
  const bool moves_data = is_transfer(request.command) || request.command == wire::kWriteZeroes;
  outcomes = {moves_data && touches_bad_bytes(request) ? kInputOutput : 0};
  if (request.command == wire::kCache && touches_bad_bytes(request)) {
    outcomes.insert(kInputOutput);  // it may look at the bytes, or not
  }
  if (request.command == wire::kWriteZeroes && (request.flags & wire::kFastZero) != 0) {
    outcomes.insert(kUnsupported);
  }
  return outcomes;
}

std::uint64_t payload_of(const SentRequest& request, const Agreement& agreement) {
  const bool has = request.command == wire::kWrite ||
                   (agreement.extended && (request.flags & wire::kPayload) != 0);
  return has ? request.length : 0;
}

/// False where the stream makes no sense, or is cut off.
bool parse_one(Reader& sent, const Agreement& agreement, SentRequest& request) {
  const auto magic = sent.number<std::uint32_t>();
  request.flags = sent.number<std::uint16_t>();
  request.command = sent.number<std::uint16_t>();
  request.cookie = sent.number<std::uint64_t>();
  request.offset = sent.number<std::uint64_t>();
  request.length = agreement.extended ? sent.number<std::uint64_t>() : sent.number<std::uint32_t>();
  if (sent.is_short() || magic != (agreement.extended ? wire::kExtendedRequest : wire::kRequest)) {
    return false;
  }
  if (request.command == wire::kDisconnect) {
    return true;
  }
  const std::uint64_t payload = payload_of(request, agreement);
  const std::uint8_t* data = sent.skip(payload);
  if (sent.is_short()) {
    return false;
  }
  request.digest = payload <= wire::kMostData ? digest_of(data, payload) : 0;
  request.outcomes = outcomes_of(request, agreement);
  return true;
}

}  // namespace

SentRequests parse_requests(Reader& sent, const Agreement& agreement) {
  SentRequests requests;
  std::set<std::uint64_t> cookies;
  while (sent.left() > 0) {
    SentRequest request;
    if (!parse_one(sent, agreement, request)) {
      requests.end_cleanly = false;
      break;
    }
    if (request.command == wire::kDisconnect) {
      break;
    }
    requests.ambiguous |= !cookies.insert(request.cookie).second;
    requests.list.push_back(std::move(request));
  }
  return requests;
}

}  // namespace blk::fuzz
