// nbdExportAdd, nbdExportRemove, nbdExportInfo.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/bound-nbd.hpp"
#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "block/limits.hpp"

namespace blk::binding {
namespace {

using exports::NbdExport;
using exports::NbdExportOptions;

std::uint32_t block_size(const ValueReader& value) {
  return static_cast<std::uint32_t>(
      std::clamp(value.number(), 1.0, static_cast<double>(block::kMaxAlignment)));
}

NbdExportOptions options_of(const ValueReader& object) {
  NbdExportOptions options;
  options.name = object["name"].string();
  options.description = object["description"].string();
  options.size = static_cast<std::int64_t>(
      std::clamp(object["size"].number(), 0.0, static_cast<double>(block::kMaxLength)));
  options.flags = static_cast<std::uint16_t>(std::clamp(object["flags"].number(), 0.0, 65535.0));
  options.min_block = block_size(object["minBlock"]);
  options.max_block = block_size(object["maxBlock"]);
  options.allocation_depth = object["allocationDepth"].boolean();
  for (const ValueReader& bitmap : object["bitmaps"].elements()) {
    options.bitmaps.push_back(bitmap.string());
  }
  return options;
}

// nbdExportAdd(server, backend, options): its handle, or a negative errno: EEXIST for a name that
// the server exports already.
Napi::Value export_add(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  const auto server = environment.nbd_servers.share(number_at(info, 0));
  const auto bound = environment.backends.share(number_at(info, 1));
  if (server == nullptr || bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  NbdExportOptions options = options_of(ValueReader(info[2]));
  if (!is_readable(info.Env())) {
    return errno_value(info, -ECANCELED);
  }
  if (server->table().find(options.name) != nullptr) {
    return errno_value(info, -EEXIST);
  }
  const std::shared_ptr<block::Backend> backend(bound, &bound->backend);
  auto item = std::make_shared<NbdExport>(std::move(options), backend);
  // It holds the backend, so both live when the message arrives.
  post_call(*bound->home, [item] { item->backend().set_owner(item.get()); });
  server->table().add(item);
  return Napi::Number::New(info.Env(), environment.nbd_exports.insert(
                                           std::make_shared<BoundNbdExport>(server, bound, item)));
}

class RemoveRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<BoundNbdExport> removed;

 private:
  // A coroutine by signature only: the export calls back.
  aio::Detached body() override {
    const std::shared_ptr<NbdExport> item = removed->item;
    removed->server->table().remove(*item);
    post_call(*removed->bound->home, [item] { item->hang_up(); });
    item->when_unused([](void* self) { static_cast<RemoveRequest*>(self)->unused(); }, this);
    co_return;
  }

  void unused() {
    post_call(*removed->bound->home,
              [item = removed->item] { item->backend().set_owner(nullptr); });
    finish();
  }
};

// nbdExportRemove(slot, export, main): its clients are hung up; completes when they have gone. The
// handle is stale from here on.
void export_remove(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new RemoveRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->removed = environment.nbd_exports.share(number_at(info, 1));
  const std::shared_ptr<HomedContext> home = environment.contexts.share(number_at(info, 2));
  if (request->removed == nullptr || home == nullptr) {
    request->refuse(-EBADF);
    return;
  }
  environment.nbd_exports.remove(number_at(info, 1));
  request->launch(*home);
}

Napi::Value export_info(const Napi::CallbackInfo& info) {
  const BoundNbdExport* found = environment_of(info).nbd_exports.find(number_at(info, 0));
  ObjectWriter object(info.Env());
  object.set("clients", found != nullptr ? found->item->users() : 0U);
  return object.object();
}

}  // namespace

void export_nbd_exports(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nbdExportAdd", export_add);
  add_function(environment, exports, "nbdExportRemove", export_remove);
  add_function(environment, exports, "nbdExportInfo", export_info);
}

}  // namespace blk::binding
