#include "exports/nbd-negotiation.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "exports/nbd-option-data.hpp"

namespace blk::exports {

using aio::Task;
using nbd::Option;

namespace {

constexpr std::size_t kOptionHeader = 16;
/// What an export that nobody may leave the zeroes out of is followed by.
constexpr std::size_t kZeroes = 124;

}  // namespace

Task<int> NbdNegotiation::run() {
  int error = co_await greet();
  while (error == 0) {
    error = co_await receive_option();
    if (error != 0) {
      break;
    }
    replies_.clear();
    next_ = Next::kNextOption;
    error = co_await admit();
    if (error != 0) {
      break;
    }
    dispatch();
    error = co_await answer();
    if (error == 0 && next_ == Next::kSecure) {
      error = co_await secure();
    }
    if (error == 0 && next_ == Next::kTransmission) {
      if (agreement_.contexts.export_name != agreement_.item->options().name) {
        agreement_.contexts = {};
      }
      co_return 0;
    }
    if (next_ == Next::kEnd) {
      error = -ECONNABORTED;
    }
  }
  co_return error;
}

Task<int> NbdNegotiation::answer() { return stream_.write(replies_.data(), replies_.size()); }

Task<int> NbdNegotiation::greet() {
  append(replies_, nbd::kInitMagic);
  append(replies_, nbd::kOptionMagic);
  append(replies_,
         static_cast<std::uint16_t>(nbd::kHandshakeFixedNewstyle | nbd::kHandshakeNoZeroes));
  int error = co_await answer();
  if (error == 0) {
    error = co_await stream_.fill(sizeof(std::uint32_t));
  }
  if (error != 0) {
    co_return error;
  }
  const auto flags = nbd::load<std::uint32_t>(stream_.data());
  stream_.consume(sizeof(flags));
  fixed_ = (flags & nbd::kClientFixedNewstyle) != 0;
  no_zeroes_ = (flags & nbd::kClientNoZeroes) != 0;
  const bool known = (flags & ~(nbd::kClientFixedNewstyle | nbd::kClientNoZeroes)) == 0;
  co_return known ? 0 : -EINVAL;
}

// Data that is too long is skipped, so that the stream stays in step.
Task<int> NbdNegotiation::receive_option() {
  if (int error = co_await stream_.fill(kOptionHeader); error != 0) {
    co_return error;
  }
  const std::byte* header = stream_.data();
  const auto magic = nbd::load<std::uint64_t>(header);
  option_ = static_cast<Option>(nbd::load<std::uint32_t>(header + 8));
  const auto length = nbd::load<std::uint32_t>(header + 12);
  stream_.consume(kOptionHeader);
  received_ += kOptionHeader + std::uint64_t{length};
  if (magic != nbd::kOptionMagic || received_ > kMaxOptions) {
    co_return -EINVAL;
  }
  data_.clear();
  too_big_ = length > kMaxOption;
  if (too_big_) {
    co_return co_await stream_.skip(length);
  }
  data_.resize(length);
  co_return co_await stream_.read(data_.data(), length);
}

// --- TLS and admission

// What was sent in plain must not be taken for a part of what is secret.
Task<int> NbdNegotiation::secure() {
  if (stream_.available() != 0) {
    co_return -EINVAL;
  }
  if (stream_.is_hung_up()) {
    co_return -ECONNABORTED;
  }
  NbdQuestion question =
      gate_.questions.ask(NbdQuestionKind::kSecure, gate_.client, stream_.descriptor());
  const int plain = co_await question;
  if (plain < 0) {
    co_return plain;
  }
  stream_.replace_socket(aio::UniqueFd(plain));
  secure_ = true;
  agreement_ = {};
  co_return stream_.is_hung_up() ? -ECONNABORTED : 0;
}

bool NbdNegotiation::is_barred() const {
  return gate_.policy.tls == NbdPolicy::Tls::kRequired && !secure_ &&
         option_ != Option::kStartTls && option_ != Option::kAbort;
}

// Before an option that chooses or describes an export is answered.
Task<int> NbdNegotiation::admit() {
  refused_ = false;
  const bool names = option_ == Option::kExportName || option_ == Option::kInfo ||
                     option_ == Option::kGo || option_ == Option::kSetMetaContext ||
                     option_ == Option::kListMetaContext;
  if (!gate_.policy.asks_admission || !names || is_barred() || too_big_) {
    co_return 0;
  }
  std::string_view name(reinterpret_cast<const char*>(data_.data()), data_.size());
  NbdOptionReader reader(data_);
  const bool is_named = option_ == Option::kExportName || reader.string(name);
  if (!is_named || exports_.find(name) == nullptr) {
    co_return 0;  // that there is none, the option itself says
  }
  if (stream_.is_hung_up()) {
    co_return -ECONNABORTED;
  }
  NbdQuestion question = gate_.questions.ask(NbdQuestionKind::kAdmit, gate_.client,
                                             stream_.descriptor(), std::string(name));
  const int error = co_await question;
  refused_ = error == -EACCES;
  co_return refused_ ? 0 : error;
}

void NbdNegotiation::dispatch() {
  if (is_barred()) {
    const bool answers = option_ != Option::kExportName && fixed_;
    if (answers) {
      refuse(nbd::kErrorTlsRequired, "this server wants TLS first");
    }
    next_ = answers ? Next::kNextOption : Next::kEnd;
    return;
  }
  if (option_ == Option::kExportName) {
    export_name();  // the only one without a way to say no
    return;
  }
  if (!fixed_) {
    next_ = Next::kEnd;
    return;
  }
  if (too_big_) {
    refuse(nbd::kErrorTooBig, "the option has too much data");
    return;
  }
  switch (option_) {
    case Option::kAbort:
      reply(nbd::kReplyAck);
      next_ = Next::kEnd;
      return;
    case Option::kList:
      return list();
    case Option::kInfo:
    case Option::kGo:
      return info();
    case Option::kStructuredReply:
      return structured_reply();
    case Option::kListMetaContext:
    case Option::kSetMetaContext:
      return meta_context();
    case Option::kExtendedHeaders:
      return extended_headers();
    case Option::kStartTls:
      return start_tls();
    default:
      return refuse(nbd::kErrorUnsupported, "this server does not know the option");
  }
}

// --- replies

void NbdNegotiation::reply(std::uint32_t type, const std::vector<std::byte>& data) {
  append(replies_, nbd::kOptionReplyMagic);
  append(replies_, static_cast<std::uint32_t>(option_));
  append(replies_, type);
  append(replies_, static_cast<std::uint32_t>(data.size()));
  replies_.insert(replies_.end(), data.begin(), data.end());
}

void NbdNegotiation::refuse(std::uint32_t error, std::string_view reason) {
  std::vector<std::byte> text;
  append(text, reason);
  reply(error, text);
}

void NbdNegotiation::refuse_export(std::uint32_t error, std::string_view reason,
                                   std::string_view name) {
  // At most the protocol's longest string.
  constexpr std::size_t kShown = 256;
  refuse(error, std::string(reason) + " '" + std::string(name.substr(0, kShown)) + "'");
}

std::uint16_t NbdNegotiation::flags_of(const NbdExport& item) const {
  const std::uint16_t df = agreement_.structured ? nbd::kSendDf : 0;
  return item.options().flags | df;
}

// --- options

void NbdNegotiation::start_tls() {
  if (gate_.policy.tls == NbdPolicy::Tls::kOff) {
    refuse(nbd::kErrorUnsupported, "this server has no TLS");
  } else if (secure_) {
    refuse(nbd::kErrorInvalid, "this is TLS already");
  } else if (!data_.empty()) {
    refuse(nbd::kErrorInvalid, "STARTTLS has no data");
  } else {
    reply(nbd::kReplyAck);
    next_ = Next::kSecure;
  }
}

void NbdNegotiation::export_name() {
  const std::string_view name(reinterpret_cast<const char*>(data_.data()), data_.size());
  agreement_.item = too_big_ || refused_ ? nullptr : exports_.find(name);
  if (agreement_.item == nullptr) {
    next_ = Next::kEnd;
    return;
  }
  append(replies_, static_cast<std::uint64_t>(agreement_.item->options().size));
  append(replies_, flags_of(*agreement_.item));
  if (!no_zeroes_) {
    replies_.resize(replies_.size() + kZeroes);
  }
  next_ = Next::kTransmission;
}

void NbdNegotiation::list() {
  if (!data_.empty()) {
    refuse(nbd::kErrorInvalid, "LIST has no data");
    return;
  }
  for (const auto& item : exports_.all()) {
    std::vector<std::byte> entry;
    append(entry, static_cast<std::uint32_t>(item->options().name.size()));
    append(entry, std::string_view(item->options().name));
    append(entry, std::string_view(item->options().description));
    reply(nbd::kReplyServer, entry);
  }
  reply(nbd::kReplyAck);
}

void NbdNegotiation::info() {
  NbdOptionReader reader(data_);
  std::string_view name;
  std::uint16_t count = 0;
  if (!reader.string(name) || !reader.number(count) || reader.left() != std::size_t{count} * 2) {
    refuse(nbd::kErrorInvalid, "the data is not a name and a list of numbers");
    return;
  }
  std::vector<std::uint16_t> wanted(count);
  std::for_each(wanted.begin(), wanted.end(), [&reader](auto& item) { reader.number(item); });
  const std::shared_ptr<NbdExport> item = exports_.find(name);
  if (item == nullptr) {
    refuse_export(nbd::kErrorUnknown, "there is no export", name);
    return;
  }
  if (refused_) {
    refuse_export(nbd::kErrorPolicy, "this client may not use the export", name);
    return;
  }
  const bool block_size =
      std::find(wanted.begin(), wanted.end(), nbd::kInfoBlockSize) != wanted.end();
  if (option_ == Option::kInfo && !block_size && item->options().min_block > 1) {
    refuse(nbd::kErrorBlockSizeRequired, "ask for block sizes to use this export");
    return;
  }
  describe(*item, wanted);
  reply(nbd::kReplyAck);
  if (option_ == Option::kGo) {
    agreement_.item = item;
    next_ = Next::kTransmission;
  }
}

void NbdNegotiation::describe(const NbdExport& item, const std::vector<std::uint16_t>& wanted) {
  const NbdExportOptions& options = item.options();
  const auto wants = [&wanted](std::uint16_t what) {
    return std::find(wanted.begin(), wanted.end(), what) != wanted.end();
  };
  std::vector<std::byte> data;
  if (wants(nbd::kInfoName)) {
    append(data, nbd::kInfoName);
    append(data, std::string_view(options.name));
    reply(nbd::kReplyInfo, data);
  }
  if (wants(nbd::kInfoDescription) && !options.description.empty()) {
    data.clear();
    append(data, nbd::kInfoDescription);
    append(data, std::string_view(options.description));
    reply(nbd::kReplyInfo, data);
  }
  // Who does not ask for them may use any: the block layer pads.
  const bool keeps_to_them = option_ == Option::kInfo || wants(nbd::kInfoBlockSize);
  const std::uint32_t min_block = keeps_to_them ? options.min_block : 1;
  data.clear();
  append(data, nbd::kInfoBlockSize);
  append(data, min_block);
  append(data, std::max<std::uint32_t>(4096, min_block));
  append(data, options.max_block);
  reply(nbd::kReplyInfo, data);
  data.clear();
  append(data, nbd::kInfoExport);
  append(data, static_cast<std::uint64_t>(options.size));
  append(data, flags_of(item));
  reply(nbd::kReplyInfo, data);
}

void NbdNegotiation::structured_reply() {
  if (!data_.empty()) {
    refuse(nbd::kErrorInvalid, "STRUCTURED_REPLY has no data");
  } else if (agreement_.structured) {
    refuse(nbd::kErrorInvalid, "structured replies are agreed upon already");
  } else {
    agreement_.structured = true;
    reply(nbd::kReplyAck);
  }
}

void NbdNegotiation::extended_headers() {
  if (!data_.empty()) {
    refuse(nbd::kErrorInvalid, "EXTENDED_HEADERS has no data");
  } else if (agreement_.extended) {
    refuse(nbd::kErrorInvalid, "extended headers are agreed upon already");
  } else {
    agreement_.structured = agreement_.extended = true;
    reply(nbd::kReplyAck);
  }
}

// --- metadata contexts

void NbdNegotiation::meta_context() {
  const bool sets = option_ == Option::kSetMetaContext;
  NbdOptionReader reader(data_);
  std::string_view name;
  std::uint32_t count = 0;
  if (sets) {
    agreement_.contexts = {};
  }
  if (!agreement_.structured) {
    refuse(nbd::kErrorInvalid, "metadata contexts need structured replies");
    return;
  }
  if (!reader.string(name) || !reader.number(count)) {
    refuse(nbd::kErrorInvalid, "the data is not a name and a list of queries");
    return;
  }
  const std::shared_ptr<NbdExport> item = exports_.find(name);
  if (item == nullptr) {
    refuse_export(nbd::kErrorUnknown, "there is no export", name);
    return;
  }
  if (refused_) {
    refuse_export(nbd::kErrorPolicy, "this client may not use the export", name);
    return;
  }
  NbdContexts chosen;
  chosen.export_name = name;
  queried_ = item.get();
  if (count == 0 && !sets) {
    answer_query(kAllocationContext, chosen);
    answer_query("qemu:", chosen);
  }
  for (std::uint32_t left = count; left > 0; --left) {
    std::string_view query;
    if (!reader.string(query)) {
      replies_.clear();
      refuse(nbd::kErrorInvalid, "a query is cut off");
      return;
    }
    answer_query(query, chosen);
  }
  if (sets) {
    agreement_.contexts = std::move(chosen);
  }
  reply(nbd::kReplyAck);
}

// A namespace alone is what a list may ask for; nothing is chosen by it.
void NbdNegotiation::answer_query(std::string_view query, NbdContexts& chosen) {
  const bool lists = option_ == Option::kListMetaContext;
  const NbdExportOptions& options = queried_->options();
  const auto matches = [&](std::string_view name, std::string_view prefix) {
    return query == name || (lists && query == prefix);
  };
  if (!chosen.allocation && matches(kAllocationContext, "base:")) {
    chosen.allocation = true;
    offer(kAllocationContext, NbdContexts::kAllocationId);
  }
  if (options.allocation_depth && !chosen.depth && matches(kDepthContext, "qemu:")) {
    chosen.depth = true;
    offer(kDepthContext, NbdContexts::kDepthId);
  }
  for (std::uint32_t index = 0; index < options.bitmaps.size(); ++index) {
    const std::string name = kBitmapContext + options.bitmaps[index];
    const bool asked = matches(name, "qemu:") || matches(name, kBitmapContext);
    const auto& known = chosen.bitmaps;
    if (asked && std::find(known.begin(), known.end(), index) == known.end()) {
      chosen.bitmaps.push_back(index);
      offer(name, NbdContexts::kFirstBitmapId + index);
    }
  }
}

void NbdNegotiation::offer(std::string_view name, std::uint32_t id) {
  std::vector<std::byte> data;
  append(data, option_ == Option::kSetMetaContext ? id : 0U);
  append(data, name);
  reply(nbd::kReplyMetaContext, data);
}

}  // namespace blk::exports
