// Entry point of the addon. One Environment per Node environment; nothing starts before
// initialize() is called.
#include <napi.h>

#include "binding/environment.hpp"
#include "binding/exports.hpp"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  using namespace blk::binding;
  Environment& environment = *Environment::create(env);
  exports.Set("version", Napi::String::New(env, BLOCK_BACKEND_VERSION));
  export_requests(environment, exports);
  export_contexts(environment, exports);
  export_nodes(environment, exports);
  export_graph(environment, exports);
  export_backends(environment, exports);
  export_throttle(environment, exports);
  export_memory(environment, exports);
  export_images(environment, exports);
  export_load(environment, exports);
  export_nbd_servers(environment, exports);
  export_nbd_questions(environment, exports);
  export_nbd_exports(environment, exports);
  export_accounting(environment, exports);
  export_dirty_bitmaps(environment, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(block_backend, init)
