// imageCreate, imageDelete: images that no node has open.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "binding/node-options.hpp"

namespace blk::binding {
namespace {

class ImageRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<HomedContext> where;
  std::unique_ptr<block::Driver> driver;
  block::Options options;
  block::ErrorReport report;
  bool removes = false;

 private:
  aio::Detached body() override {
    block::Status status;
    // Not `removes ? co_await a : co_await b`: GCC 12 would await both.
    if (removes) {
      status = co_await driver->remove(where->aio(), options, report);
    } else {
      status = co_await driver->create(where->aio(), options, report);
    }
    result = status.error;
    finish();
  }

  void conclude() override {
    if (result < 0) {
      report.error = static_cast<std::int32_t>(result);
      environment_.reports[slot] = std::move(report);
    }
  }
};

/// slot, context, driver's name, options
void launch(const Napi::CallbackInfo& info, bool removes) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new ImageRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->removes = removes;
  request->where = environment.contexts.share(number_at(info, 1));
  const std::string driver_name = ValueReader(info[2]).string();
  request->driver = environment.drivers.create(driver_name);
  request->options = options_from(ValueReader(info[3]));
  if (request->where == nullptr) {
    request->refuse(request->report.fail(-EBADF, "context-closed"));
  } else if (request->driver == nullptr) {
    request->refuse(request->report.fail(-ENOENT, "driver-unknown", {{"driver", driver_name}}));
  } else if (!is_readable(info.Env())) {
    request->refuse(-ECANCELED);  // an image of half its options
  } else {
    request->launch(*request->where);
  }
}

void image_create(const Napi::CallbackInfo& info) { launch(info, false); }

void image_delete(const Napi::CallbackInfo& info) { launch(info, true); }

}  // namespace

void export_images(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "imageCreate", image_create);
  add_function(environment, exports, "imageDelete", image_delete);
}

}  // namespace blk::binding
