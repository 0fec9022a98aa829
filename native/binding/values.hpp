// JavaScript values in and out, safe while the environment is being terminated.
//
// A worker can be terminated inside any call. From then on every Node-API function that may run
// JavaScript fails, property reads and writes among them, and the C++ wrappers of node-addon-api
// answer with an empty value whose next use ends the whole process. Nothing here does: what cannot
// be read is its fallback, what cannot be written is left out, and the JavaScript that made the
// call is not resumed to see either. What the call starts natively does see it: is_readable().
#pragma once

#include <napi.h>

#include <string>
#include <string_view>
#include <vector>

namespace blk::binding {

/// Whether every read before this call found what was there: an environment that is being
/// terminated refuses reads from some moment on, for good. To be asked before anything is done that
/// needs all of a description, such as opening a node with its children.
[[nodiscard]] bool is_readable(napi_env env) noexcept;

/// A value of any kind, read with a fallback. Lives as long as the call's handle scope.
class ValueReader {
 public:
  ValueReader(napi_env env, napi_value value) noexcept : env_(env), value_(value) {}
  explicit ValueReader(const Napi::Value& value) noexcept : ValueReader(value.Env(), value) {}

  [[nodiscard]] napi_valuetype type() const noexcept;
  [[nodiscard]] double number(double otherwise = 0) const noexcept;
  [[nodiscard]] bool boolean(bool otherwise = false) const noexcept;
  [[nodiscard]] std::string string() const;

  /// The property of this name; of no type at all where there is none.
  [[nodiscard]] ValueReader operator[](const char* name) const noexcept;
  /// The elements of an array; none of anything else.
  [[nodiscard]] std::vector<ValueReader> elements() const;
  /// The own enumerable string keys of an object; none of anything else.
  [[nodiscard]] std::vector<std::string> keys() const;

 private:
  napi_env env_;
  napi_value value_;
};

/// A new plain object.
class ObjectWriter {
 public:
  explicit ObjectWriter(napi_env env) noexcept;

  ObjectWriter& set(const char* name, napi_value value) noexcept;
  ObjectWriter& set(const char* name, double value) noexcept;
  ObjectWriter& set(const char* name, bool value) noexcept;
  ObjectWriter& set(const char* name, std::string_view value) noexcept;
  // Without it a literal would choose bool.
  ObjectWriter& set(const char* name, const char* value) noexcept;
  template <typename Integer>
    requires std::is_integral_v<Integer>
  ObjectWriter& set(const char* name, Integer value) noexcept {
    return set(name, static_cast<double>(value));
  }

  [[nodiscard]] Napi::Object object() const { return {env_, object_}; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

/// The array [`count` elements]; element `index` is what `make` gives.
template <typename Make>
napi_value array_of(napi_env env, std::size_t count, Make make) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, count, &array) != napi_ok) {
    return nullptr;
  }
  for (std::size_t index = 0; index < count; ++index) {
    const napi_value element = make(index);
    if (element != nullptr) {
      napi_set_element(env, array, static_cast<std::uint32_t>(index), element);
    }
  }
  return array;
}

}  // namespace blk::binding
