// What each file of binding/ adds to the addon's exports.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/environment.hpp"
#include "binding/values.hpp"

namespace blk::binding {

void export_requests(Environment& environment, Napi::Object exports);
void export_contexts(Environment& environment, Napi::Object exports);
void export_nodes(Environment& environment, Napi::Object exports);
void export_graph(Environment& environment, Napi::Object exports);
void export_backends(Environment& environment, Napi::Object exports);
void export_images(Environment& environment, Napi::Object exports);
void export_accounting(Environment& environment, Napi::Object exports);
void export_dirty_bitmaps(Environment& environment, Napi::Object exports);
void export_throttle(Environment& environment, Napi::Object exports);
void export_load(Environment& environment, Napi::Object exports);
void export_nbd_servers(Environment& environment, Napi::Object exports);
void export_nbd_questions(Environment& environment, Napi::Object exports);
void export_nbd_exports(Environment& environment, Napi::Object exports);
void export_memory(Environment& environment, Napi::Object exports);

/// Adds a function that receives the environment as its data.
template <typename Callback>
void add_function(Environment& environment, Napi::Object exports, const char* name,
                  Callback callback) {
  exports.Set(name, Napi::Function::New(exports.Env(), callback, name, &environment));
}

inline Environment& environment_of(const Napi::CallbackInfo& info) {
  return *static_cast<Environment*>(info.Data());
}

inline double number_at(const Napi::CallbackInfo& info, std::size_t index) {
  return ValueReader(info[index]).number();
}

inline bool boolean_at(const Napi::CallbackInfo& info, std::size_t index) {
  return ValueReader(info[index]).boolean();
}

/// Finds the backend after handing over the descriptors written so far, so that a call takes effect
/// after the requests made before it.
inline std::shared_ptr<BoundBackend> backend_at(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.backends.share(number_at(info, 0));
}

inline Napi::Value errno_value(const Napi::CallbackInfo& info, int error) {
  return Napi::Number::New(info.Env(), error);
}

}  // namespace blk::binding
