// What tests ask of an x-probe node while it runs. An argument is "first:rest"; the rest of a hold
// or a header may contain anything.
#include <cerrno>

#include "block/node.hpp"
#include "drivers/probe.hpp"

namespace blk::drivers {

std::int64_t ProbeDriver::control(const std::string& command, const std::string& argument) {
  if (command == "calls") {
    return call_count(argument);
  }
  if (command == "hold") {
    return hold(argument);
  }
  if (command == "release") {
    return holds_.release(argument, node_->context());
  }
  if (command == "held") {
    return holds_.held(argument);
  }
  if (command == "fail") {
    return plan_failure(hooks_, argument);
  }
  if (command == "limit") {
    return change_limit(argument);
  }
  if (command == "size") {
    return change_size(argument);
  }
  if (command == "eject") {
    node_->eject();
    return 0;
  }
  if (command == "permissions") {
    return checked_permissions_.load();
  }
  if (command == "shared") {
    return checked_shared_.load();
  }
  if (command == "allocated") {
    return store_.allocated_clusters();
  }
  if (command == "set-header") {
    header_ = argument;
    return ++header_updates_;
  }
  if (command == "header-updates") {
    return header_updates_;
  }
  if (command == "text-length") {
    return text_length(argument);
  }
  if (command == "text-bytes") {
    return text_bytes(argument);
  }
  return -ENOTSUP;
}

std::int64_t ProbeDriver::call_count(std::string_view name) const {
  const std::optional<ProbeHook> hook = probe_hook_named(name);
  return hook ? static_cast<std::int64_t>(hooks_.calls(*hook)) : -EINVAL;
}

std::int64_t ProbeDriver::hold(std::string_view argument) {
  const auto [name, tag] = split(argument, ':');
  const std::optional<ProbeHook> hook = probe_hook_named(name);
  if (!hook || !traits_of(*hook).waits) {
    return -EINVAL;
  }
  holds_.hold(*hook, std::string(tag));
  return 0;
}

std::int64_t ProbeDriver::change_limit(std::string_view argument) {
  const auto [name, text] = split(argument, ':');
  const std::optional<std::int64_t> value = parse_number(text);
  return value ? set_limit(settings_.limits, name, *value) : -EINVAL;
}

// As if the medium had changed: nobody is told.
std::int64_t ProbeDriver::change_size(std::string_view argument) {
  const std::optional<std::int64_t> size = parse_number(argument);
  if (!size || *size < 0) {
    return -EINVAL;
  }
  size_ = *size;
  store_.cut(size_);
  return 0;
}

const std::string* ProbeDriver::text_named(std::string_view name) const {
  if (name == "header") {
    return &header_;
  }
  return name == "note" ? &settings_.note : nullptr;
}

std::int64_t ProbeDriver::text_length(std::string_view name) const {
  const std::string* text = text_named(name);
  return text != nullptr ? static_cast<std::int64_t>(text->size()) : -EINVAL;
}

// A control answers with a number, so text goes by six bytes, which a double holds exactly.
std::int64_t ProbeDriver::text_bytes(std::string_view argument) const {
  constexpr std::size_t kBytesPerAnswer = 6;
  const auto [name, index] = split(argument, ':');
  const std::string* text = text_named(name);
  const std::optional<std::int64_t> start = parse_number(index);
  if (text == nullptr || !start || *start < 0) {
    return -EINVAL;
  }
  std::int64_t packed = 0;
  for (std::size_t i = 0; i < kBytesPerAnswer; ++i) {
    const std::size_t at = static_cast<std::size_t>(*start) + i;
    const auto byte = at < text->size() ? static_cast<unsigned char>((*text)[at]) : 0U;
    packed |= static_cast<std::int64_t>(byte) << (8 * i);
  }
  return packed;
}

}  // namespace blk::drivers
