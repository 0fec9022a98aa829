// Why a control call failed, in parts: lib/ turns it into a sentence.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace blk::block {

/// `kind` names the sentence (lib/errors/native-failure.ts has one for each); `arguments` fill it
/// in.
struct ErrorReport {
  std::int32_t error = 0;  // negative errno
  std::string kind;
  std::vector<std::pair<std::string, std::string>> arguments;

  /// Fills the report and gives the errno back: `return report.fail(-EINVAL, "...", {...});`
  int fail(int code, std::string what,
           std::vector<std::pair<std::string, std::string>> details = {}) {
    error = code;
    kind = std::move(what);
    arguments = std::move(details);
    return code;
  }
};

}  // namespace blk::block
