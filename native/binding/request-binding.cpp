// initialize, submit, flush, runSync, cancel, takeReport. The first three are called for every
// batch, so they use Node-API directly.
#include "binding/exports.hpp"
#include "binding/failure.hpp"

namespace blk::binding {
namespace {

Environment* data_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Environment*>(data);
}

napi_value submit(napi_env env, napi_callback_info info) {
  RequestRing& ring = data_of(env, info)->ring();
  if (ring.is_open()) {
    ring.submit();
  }
  return nullptr;
}

napi_value flush(napi_env env, napi_callback_info info) {
  RequestRing& ring = data_of(env, info)->ring();
  napi_value result = nullptr;
  napi_create_uint32(env, ring.is_open() ? ring.flush() : 0, &result);
  return result;
}

napi_value run_sync(napi_env env, napi_callback_info info) {
  RequestRing& ring = data_of(env, info)->ring();
  napi_value result = nullptr;
  napi_create_double(env, ring.is_open() ? ring.run_sync() : -EINVAL, &result);
  return result;
}

Napi::Value initialize(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  if (environment.ring().is_open() || !info[0].IsFunction()) {
    return failure(info.Env(), -EINVAL, "initialize-twice");
  }
  if (int error = environment.start(); error != 0) {
    return failure(info.Env(), error, "environment-start-failed");
  }
  return environment.ring().open(info[0].As<Napi::Function>());
}

void cancel(const Napi::CallbackInfo& info) {
  environment_of(info).ring().cancel(static_cast<std::int32_t>(number_at(info, 0)),
                                     static_cast<std::int32_t>(number_at(info, 1)));
}

Napi::Value take_report(const Napi::CallbackInfo& info) {
  auto& reports = environment_of(info).reports;
  auto found = reports.find(static_cast<std::int32_t>(number_at(info, 0)));
  if (found == reports.end()) {
    return info.Env().Undefined();
  }
  Napi::Object result = failure(info.Env(), found->second);
  reports.erase(found);
  return result;
}

void add_raw(Environment& environment, Napi::Object exports, const char* name,
             napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, callback, &environment, &function);
  exports.Set(name, function);
}

}  // namespace

void export_requests(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "initialize", initialize);
  add_raw(environment, exports, "submit", submit);
  add_raw(environment, exports, "flush", flush);
  add_raw(environment, exports, "runSync", run_sync);
  add_function(environment, exports, "cancel", cancel);
  add_function(environment, exports, "takeReport", take_report);
}

}  // namespace blk::binding
