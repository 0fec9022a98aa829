#include "binding/failure.hpp"

#include "binding/values.hpp"

namespace blk::binding {

Napi::Object failure(Napi::Env env, const block::ErrorReport& report) {
  ObjectWriter arguments(env);
  for (const auto& [name, value] : report.arguments) {
    arguments.set(name.c_str(), value);
  }
  return ObjectWriter(env)
      .set("errno", report.error)
      .set("kind", report.kind)
      .set("args", arguments.object())
      .object();
}

Napi::Object failure(Napi::Env env, int error, const char* kind) {
  block::ErrorReport report;
  report.fail(error, kind);
  return failure(env, report);
}

}  // namespace blk::binding
