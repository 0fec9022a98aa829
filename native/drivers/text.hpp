// Taking apart what lib/ hands over as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace blk::drivers {

/// Splits at the first separator; without one, the second half is empty.
std::pair<std::string_view, std::string_view> split(std::string_view text, char separator);
std::optional<std::int64_t> parse_number(std::string_view text);

}  // namespace blk::drivers
