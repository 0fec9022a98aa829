// A driver's options after lib/ parsed them: flat, typed, every name known.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace blk::block {

using OptionValue = std::variant<bool, std::int64_t, std::string>;

/// QAPI's option names with dots ("cache.direct"). A wrong type reads as the default: lib/ has
/// checked types and reports them better than we could.
class Options {
 public:
  void set(std::string name, OptionValue value) {
    values_.insert_or_assign(std::move(name), std::move(value));
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  bool get_bool(const std::string& name, bool otherwise) const { return get(name, otherwise); }
  std::int64_t get_int(const std::string& name, std::int64_t otherwise) const {
    return get(name, otherwise);
  }
  std::string get_string(const std::string& name, const std::string& otherwise = {}) const {
    return get(name, otherwise);
  }

 private:
  template <typename T>
  T get(const std::string& name, const T& otherwise) const {
    auto found = values_.find(name);
    if (found == values_.end()) {
      return otherwise;
    }
    const T* value = std::get_if<T>(&found->second);
    return value != nullptr ? *value : otherwise;
  }

  std::map<std::string, OptionValue> values_;
};

}  // namespace blk::block
