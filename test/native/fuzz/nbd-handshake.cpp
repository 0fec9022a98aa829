#include "fuzz/nbd-handshake.hpp"

namespace blk::fuzz {

namespace {

constexpr std::uint16_t kServerFlags = 3;  // fixed newstyle, no zeroes
constexpr std::size_t kZeroes = 124;
/// Nobody has a longer answer to a single option.
constexpr std::uint32_t kMostReply = 64 * 1024;

/// The export that an INFO or GO asks for; false when the data makes no sense.
bool parse_info(const Bytes& data, const ExportFacts*& item) {
  Reader reader(data);
  const std::string_view name = reader.text(reader.number<std::uint32_t>());
  const auto count = reader.number<std::uint16_t>();
  item = find_export(name);
  return !reader.is_short() && reader.left() == std::size_t{count} * 2;
}

std::string name_in(const Bytes& data) {
  Reader reader(data);
  return std::string(reader.text(reader.number<std::uint32_t>()));
}

}  // namespace

std::string Handshake::run() {
  std::string problem = greeting();
  while (problem.empty() && !over_) {
    problem = option();
  }
  return problem;
}

std::string Handshake::greeting() {
  const auto magic = received_.number<std::uint64_t>();
  const auto second = received_.number<std::uint64_t>();
  const auto flags = received_.number<std::uint16_t>();
  if (received_.is_short()) {
    return cut_off("the greeting");
  }
  if (magic != wire::kGreeting || second != wire::kOption || flags != kServerFlags) {
    return "the greeting is none";
  }
  const auto mine = sent_.number<std::uint32_t>();
  if (sent_.is_short() || (mine & ~3U) != 0) {
    return silence();
  }
  fixed_ = (mine & 1) != 0;
  no_zeroes_ = (mine & 2) != 0;
  return {};
}

std::string Handshake::option() {
  const auto magic = sent_.number<std::uint64_t>();
  option_ = sent_.number<std::uint32_t>();
  const auto length = sent_.number<std::uint32_t>();
  if (sent_.is_short() || magic != wire::kOption) {
    return silence();
  }
  const std::uint8_t* from = sent_.skip(length);
  if (sent_.is_short()) {
    return silence();
  }
  ++options_;
  const Bytes data(from, from + length);
  if (option_ == wire::kExportName) {
    return export_name({reinterpret_cast<const char*>(data.data()), data.size()});
  }
  return fixed_ ? replies(option_, data) : silence();
}

std::string Handshake::export_name(std::string_view name) {
  const ExportFacts* item = find_export(name);
  if (item == nullptr) {
    return silence();
  }
  const auto size = received_.number<std::uint64_t>();
  const auto flags = received_.number<std::uint16_t>();
  const std::uint8_t* zeroes = no_zeroes_ ? nullptr : received_.skip(kZeroes);
  if (received_.is_short()) {
    return cut_off("the answer to EXPORT_NAME");
  }
  for (std::size_t i = 0; zeroes != nullptr && i < kZeroes; ++i) {
    if (zeroes[i] != 0) {
      return "EXPORT_NAME is answered with something else than zeroes";
    }
  }
  if (size != static_cast<std::uint64_t>(item->size()) || (flags & 1) == 0 ||
      ((flags & 2) != 0) != item->read_only) {
    return "EXPORT_NAME is answered with another export";
  }
  agreement_.item = item;
  over_ = true;
  if (context_export_ != item->name) {
    agreement_.contexts.clear();
  }
  return {};
}

std::string Handshake::replies(std::uint32_t id, const Bytes& data) {
  has_size_ = false;
  offered_.clear();
  if (id == wire::kSetMeta) {
    agreement_.contexts.clear();
  }
  for (;;) {
    const auto magic = received_.number<std::uint64_t>();
    const auto echo = received_.number<std::uint32_t>();
    const auto type = received_.number<std::uint32_t>();
    const auto length = received_.number<std::uint32_t>();
    if (received_.is_short()) {
      return cut_off("an answer to an option");
    }
    if (magic != wire::kOptionReply || echo != id || length > kMostReply) {
      return "an answer to option " + std::to_string(id) + " is malformed";
    }
    const std::uint8_t* from = received_.skip(length);
    if (received_.is_short()) {
      return cut_off("the data of an answer to an option");
    }
    if ((type & wire::kErrorBit) != 0) {
      return refused(id, type, data);
    }
    if (type == wire::kAck) {
      return length == 0 ? acknowledged(id, data) : "an acknowledgement has data";
    }
    Reader content(from, length);
    if (std::string problem = reply_data(type, content); !problem.empty()) {
      return problem;
    }
    if (content.is_short()) {
      return "the data of an answer of type " + std::to_string(type) + " are too short";
    }
  }
}

std::string Handshake::reply_data(std::uint32_t type, Reader& data) {
  const bool about_export = option_ == wire::kInfo || option_ == wire::kGo;
  const bool about_contexts = option_ == wire::kListMeta || option_ == wire::kSetMeta;
  if (type == wire::kServer && option_ == wire::kList) {
    const std::string_view name = data.text(data.number<std::uint32_t>());
    return find_export(name) != nullptr ? "" : "LIST has an export that is none";
  }
  if (type == wire::kInfoReply && about_export) {
    return info(data);
  }
  if (type == wire::kMetaReply && about_contexts) {
    const auto id = data.number<std::uint32_t>();
    const bool is_new = option_ == wire::kListMeta || offered_.insert(id).second;
    return is_new && data.left() > 0 ? "" : "a context has no name, or another's number";
  }
  return "an answer of type " + std::to_string(type) + " to option " + std::to_string(option_);
}

std::string Handshake::info(Reader& data) {
  const auto type = data.number<std::uint16_t>();
  if (type == 0) {
    has_size_ = true;
    size_ = data.number<std::uint64_t>();
    const auto flags = data.number<std::uint16_t>();
    return data.left() == 0 && (flags & 1) != 0 ? "" : "INFO_EXPORT is malformed";
  }
  if (type == 3) {
    const auto least = data.number<std::uint32_t>();
    const auto preferred = data.number<std::uint32_t>();
    const auto most = data.number<std::uint32_t>();
    const bool sound = data.left() == 0 && least >= 1 && least <= preferred && preferred <= most;
    return sound ? "" : "the block sizes make no sense";
  }
  return type < 3 ? "" : "an information of type " + std::to_string(type);
}

std::string Handshake::acknowledged(std::uint32_t id, const Bytes& data) {
  if (data.size() > wire::kMostOption) {
    return "an option with too much data is acknowledged";
  }
  switch (id) {
    case wire::kAbort:
      return silence();
    case wire::kStructured:
      agreement_.structured = true;
      return {};
    case wire::kExtended:
      agreement_.structured = agreement_.extended = true;
      return {};
    case wire::kSetMeta:
      agreement_.contexts = offered_;
      context_export_ = name_in(data);
      return {};
    case wire::kList:
    case wire::kListMeta:
      return {};
    case wire::kInfo:
    case wire::kGo:
      break;
    default:
      return "option " + std::to_string(id) + " is acknowledged";
  }
  const ExportFacts* item = nullptr;
  if (!parse_info(data, item) || item == nullptr) {
    return "an export that is none is acknowledged";
  }
  if (!has_size_ || size_ != static_cast<std::uint64_t>(item->size())) {
    return "an export is acknowledged without its size";
  }
  if (id == wire::kGo) {
    agreement_.item = item;
    over_ = true;
    if (context_export_ != item->name) {
      agreement_.contexts.clear();
    }
  }
  return {};
}

// What makes sense must not be refused.
std::string Handshake::refused(std::uint32_t id, std::uint32_t type, const Bytes& data) const {
  if (data.size() > wire::kMostOption) {
    return type == wire::kTooBig ? "" : "too much data is refused for another reason";
  }
  const ExportFacts* item = nullptr;
  const bool good_go = id == wire::kGo && parse_info(data, item) && item != nullptr;
  const bool good_list = id == wire::kList && data.empty();
  const bool first = id == wire::kStructured && !agreement_.structured && data.empty();
  if (good_go || good_list || first || id == wire::kAbort) {
    return "option " + std::to_string(id) + " is refused, and makes sense";
  }
  return {};
}

std::string Handshake::silence() {
  over_ = true;
  return received_.left() == 0 ? "" : "there is an answer to what is none";
}

std::string Handshake::cut_off(const char* what) {
  over_ = true;
  return to_the_end_ ? std::string(what) + " is cut off" : std::string();
}

}  // namespace blk::fuzz
