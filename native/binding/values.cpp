#include "binding/values.hpp"

namespace blk::binding {

// --- reading

bool is_readable(napi_env env) noexcept {
  napi_value global = nullptr;
  napi_value property = nullptr;
  // Any read of a property will do: those are what is refused.
  return napi_get_global(env, &global) == napi_ok &&
         napi_get_named_property(env, global, "Object", &property) == napi_ok;
}

napi_valuetype ValueReader::type() const noexcept {
  napi_valuetype type = napi_undefined;
  if (value_ != nullptr) {
    napi_typeof(env_, value_, &type);
  }
  return type;
}

double ValueReader::number(double otherwise) const noexcept {
  double result = otherwise;
  if (value_ != nullptr) {
    napi_get_value_double(env_, value_, &result);
  }
  return result;
}

bool ValueReader::boolean(bool otherwise) const noexcept {
  bool result = otherwise;
  if (value_ != nullptr) {
    napi_get_value_bool(env_, value_, &result);
  }
  return result;
}

std::string ValueReader::string() const {
  std::size_t length = 0;
  if (value_ == nullptr ||
      napi_get_value_string_utf8(env_, value_, nullptr, 0, &length) != napi_ok) {
    return {};
  }
  std::string result(length, '\0');
  // One more than the text for the terminating zero, which std::string has room for.
  napi_get_value_string_utf8(env_, value_, result.data(), length + 1, &length);
  result.resize(length);
  return result;
}

ValueReader ValueReader::operator[](const char* name) const noexcept {
  napi_value property = nullptr;
  if (type() != napi_object || napi_get_named_property(env_, value_, name, &property) != napi_ok) {
    return {env_, nullptr};
  }
  return {env_, property};
}

std::vector<ValueReader> ValueReader::elements() const {
  std::vector<ValueReader> result;
  std::uint32_t length = 0;
  if (value_ == nullptr || napi_get_array_length(env_, value_, &length) != napi_ok) {
    return result;
  }
  result.reserve(length);
  for (std::uint32_t index = 0; index < length; ++index) {
    napi_value element = nullptr;
    if (napi_get_element(env_, value_, index, &element) != napi_ok) {
      return {};
    }
    result.emplace_back(env_, element);
  }
  return result;
}

std::vector<std::string> ValueReader::keys() const {
  std::vector<std::string> result;
  napi_value names = nullptr;
  if (type() != napi_object ||
      napi_get_all_property_names(
          env_, value_, napi_key_own_only,
          // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): a C API, and its enum a
          // mask
          static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols),
          napi_key_numbers_to_strings, &names) != napi_ok) {
    return result;
  }
  for (const ValueReader& name : ValueReader(env_, names).elements()) {
    result.push_back(name.string());
  }
  return result;
}

// --- writing

ObjectWriter::ObjectWriter(napi_env env) noexcept : env_(env) { napi_create_object(env, &object_); }

ObjectWriter& ObjectWriter::set(const char* name, napi_value value) noexcept {
  if (object_ != nullptr && value != nullptr) {
    napi_set_named_property(env_, object_, name, value);
  }
  return *this;
}

ObjectWriter& ObjectWriter::set(const char* name, double value) noexcept {
  napi_value number = nullptr;
  napi_create_double(env_, value, &number);
  return set(name, number);
}

ObjectWriter& ObjectWriter::set(const char* name, bool value) noexcept {
  napi_value boolean = nullptr;
  napi_get_boolean(env_, value, &boolean);
  return set(name, boolean);
}

ObjectWriter& ObjectWriter::set(const char* name, std::string_view value) noexcept {
  napi_value string = nullptr;
  napi_create_string_utf8(env_, value.data(), value.size(), &string);
  return set(name, string);
}

ObjectWriter& ObjectWriter::set(const char* name, const char* value) noexcept {
  return set(name, std::string_view(value));
}

}  // namespace blk::binding
