#include "binding/failure.hpp"

namespace blk::binding {

Napi::Object failure(Napi::Env env, const block::ErrorReport& report) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Object arguments = Napi::Object::New(env);
  for (const auto& [name, value] : report.arguments) {
    arguments.Set(name, value);
  }
  result.Set("errno", report.error);
  result.Set("kind", report.kind);
  result.Set("args", arguments);
  return result;
}

Napi::Object failure(Napi::Env env, int error, const char* kind) {
  block::ErrorReport report;
  report.fail(error, kind);
  return failure(env, report);
}

}  // namespace blk::binding
