// regionCreate, regionShare, regionRelease.
#include <cerrno>

#include "binding/exports.hpp"
#include "binding/failure.hpp"

namespace blk::binding {
namespace {

using Region = std::shared_ptr<aio::MemoryRegion>;

void drop_reference(napi_env /*env*/, void* /*data*/, void* hint) {
  delete static_cast<Region*>(hint);
}

Napi::Value region_create(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  Napi::Env env = info.Env();
  const auto bytes = static_cast<std::size_t>(number_at(info, 0));
  Region region = aio::MemoryRegion::allocate(bytes);
  if (region == nullptr) {
    return failure(env, -ENOMEM, "region-no-memory");
  }
  // The ArrayBuffer holds one reference and every request another: the memory outlives both.
  auto* reference = new Region(region);
  napi_value buffer = nullptr;
  napi_status status = napi_create_external_arraybuffer(env, region->base(), region->size(),
                                                        drop_reference, reference, &buffer);
  if (status != napi_ok) {
    delete reference;
    return failure(env, -ENOTSUP, "external-buffers-forbidden");
  }
  return ObjectWriter(env)
      .set("id", environment.regions.insert(std::move(region)))
      .set("buffer", buffer)
      .object();
}

Napi::Value region_share(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  if (!info[0].IsTypedArray()) {
    return Napi::Number::New(info.Env(), 0);
  }
  // Not through ArrayBuffer(): the view lies over a SharedArrayBuffer, which that would refuse.
  void* data = nullptr;
  std::size_t length = 0;
  napi_get_typedarray_info(info.Env(), info[0], nullptr, &length, &data, nullptr, nullptr);
  return Napi::Number::New(info.Env(),
                           environment.regions.insert(aio::MemoryRegion::foreign(data, length)));
}

void region_release(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  Region region = environment.regions.remove(static_cast<std::uint32_t>(number_at(info, 0)));
  if (region == nullptr) {
    return;
  }
  environment.contexts.for_each([&](HomedContext& context) {
    HomedContext* home = &context;
    post_call(context, [home, region] { home->aio().engine().forget_region(*region); });
  });
}

}  // namespace

void export_memory(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "regionCreate", region_create);
  add_function(environment, exports, "regionShare", region_share);
  add_function(environment, exports, "regionRelease", region_release);
}

}  // namespace blk::binding
