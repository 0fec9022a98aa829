// A node's options as lib/ describes them.
#pragma once

#include "binding/values.hpp"
#include "block/node.hpp"
#include "block/options.hpp"

namespace blk::binding {

/// The driver's own options: booleans, numbers and strings; anything else is left out.
inline block::Options options_from(const ValueReader& object) {
  block::Options options;
  for (const std::string& name : object.keys()) {
    const ValueReader value = object[name.c_str()];
    const napi_valuetype type = value.type();
    if (type == napi_boolean) {
      options.set(name, value.boolean());
    } else if (type == napi_number) {
      options.set(name, static_cast<std::int64_t>(value.number()));
    } else if (type == napi_string) {
      options.set(name, value.string());
    }
  }
  return options;
}

inline block::NodeState node_state_from(const ValueReader& object) {
  const double zeroes = object["detectZeroes"].number();
  return {.detect_zeroes = zeroes == 1   ? block::DetectZeroes::kOn
                           : zeroes == 2 ? block::DetectZeroes::kUnmap
                                         : block::DetectZeroes::kOff,
          .read_only = object["readOnly"].boolean(),
          .no_flush = object["noFlush"].boolean(),
          .discard_unmap = object["discardUnmap"].boolean(),
          .inactive = object["inactive"].boolean(),
          .copy_on_read = object["copyOnRead"].boolean()};
}

}  // namespace blk::binding
