#include "drivers/blkdebug-rules.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "block/limits.hpp"
#include "drivers/text.hpp"

namespace blk::drivers {
namespace {

constexpr std::size_t kMostNumbers = 6;

bool matches(const BlkdebugRules::Injection& rule, IoType type, std::int64_t offset,
             std::int64_t bytes) {
  if ((rule.types & static_cast<std::uint32_t>(type)) == 0) {
    return false;
  }
  const std::int64_t position = rule.sector * block::kSectorSize;
  return rule.sector < 0 || (position >= offset && position - offset < bytes);
}

/// Exactly `count` numbers, not negative but for -1.
bool parse_numbers(std::string_view text, std::size_t count,
                   std::array<std::int64_t, kMostNumbers>& numbers) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto [word, rest] = split(text, ' ');
    const std::optional<std::int64_t> number = parse_number(word);
    if (!number || *number < -1) {
      return false;
    }
    numbers[i] = *number;
    text = rest;
  }
  return text.empty();
}

}  // namespace

bool BlkdebugRules::parse(std::string_view text) {
  while (!text.empty()) {
    const auto [line, rest] = split(text, '\n');
    if (!parse_line(line)) {
      return false;
    }
    text = rest;
  }
  return true;
}

bool BlkdebugRules::parse_line(std::string_view line) {
  const auto [kind, after_kind] = split(line, ' ');
  const auto [name, rest] = split(after_kind, ' ');
  const std::optional<block::DebugEvent> event = block::debug_event_named(name);
  std::array<std::int64_t, kMostNumbers> numbers{};
  if (!event) {
    return false;
  }
  if (kind == "set-state" && parse_numbers(rest, 2, numbers)) {
    transitions_.push_back({*event, numbers[0], numbers[1]});
    return true;
  }
  if (kind != "inject-error" || !parse_numbers(rest, kMostNumbers, numbers) ||
      numbers[3] > INT64_MAX / block::kSectorSize) {
    return false;
  }
  injections_.push_back({.id = static_cast<std::uint32_t>(injections_.size()),
                         .event = *event,
                         .state = numbers[0],
                         .types = static_cast<std::uint32_t>(numbers[1]),
                         .error = -static_cast<int>(numbers[2]),
                         .sector = numbers[3],
                         .once = numbers[4] == 1,
                         .immediately = numbers[5] == 1});
  return true;
}

void BlkdebugRules::happen(block::DebugEvent event) {
  std::vector<Injection> armed;
  std::copy_if(injections_.begin(), injections_.end(), std::back_inserter(armed),
               [&](const Injection& rule) { return rule.event == event && applies(rule.state); });
  if (!armed.empty()) {
    armed_ = std::move(armed);
  }
  const auto change = std::find_if(
      transitions_.begin(), transitions_.end(),
      [&](const Transition& rule) { return rule.event == event && applies(rule.state); });
  if (change != transitions_.end()) {
    state_ = change->new_state;
  }
}

std::optional<BlkdebugRules::Injection> BlkdebugRules::take(IoType type, std::int64_t offset,
                                                            std::int64_t bytes) {
  const auto found = std::find_if(armed_.begin(), armed_.end(), [&](const Injection& rule) {
    return matches(rule, type, offset, bytes);
  });
  if (found == armed_.end()) {
    return std::nullopt;
  }
  const Injection rule = *found;
  if (rule.once) {
    armed_.erase(found);
    std::erase_if(injections_, [&rule](const Injection& other) { return other.id == rule.id; });
  }
  return rule;
}

}  // namespace blk::drivers
