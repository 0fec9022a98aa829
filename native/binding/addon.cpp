#include <napi.h>

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, BLOCK_BACKEND_VERSION));
  return exports;
}

}  // namespace

NODE_API_MODULE(block_backend, Init)
