// loadStart, loadResult.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "exports/load-generator.hpp"

namespace blk::binding {
namespace {

constexpr double kMaxBlockSize = 64 << 20;
constexpr double kMaxDepth = 65536;

class LoadRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<BoundBackend> bound;
  exports::LoadOptions options;

 private:
  // A coroutine by signature only: the generator calls back.
  aio::Detached body() override {
    generator_ = std::make_unique<exports::LoadGenerator>(
        bound->backend, options,
        [](void* self) {
          auto* request = static_cast<LoadRequest*>(self);
          request->result = request->generator_->result().error;
          request->finish();
        },
        this);
    generator_->start();
    co_return;
  }

  void conclude() override {
    if (generator_ != nullptr) {
      environment_.load_results[slot] = generator_->result();
    }
  }

  std::unique_ptr<exports::LoadGenerator> generator_;
};

exports::LoadOptions load_options(const ValueReader& object) {
  const auto number = [&](const char* name) { return object[name].number(); };
  exports::LoadOptions options;
  const std::string operation = object["operation"].string();
  using Pattern = exports::LoadOptions::Pattern;
  options.pattern = operation == "write"       ? Pattern::kWrite
                    : operation == "readwrite" ? Pattern::kReadWrite
                                               : Pattern::kRead;
  options.random = object["random"].boolean();
  options.block_size =
      static_cast<std::int64_t>(std::clamp(number("blockSize"), 512.0, kMaxBlockSize));
  options.depth = static_cast<std::uint32_t>(std::clamp(number("depth"), 1.0, kMaxDepth));
  options.runtime = static_cast<aio::Nanoseconds>(std::max(0.0, number("runtimeNs")));
  options.seed = static_cast<std::uint64_t>(std::max(0.0, number("seed")));
  return options;
}

void load_start(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new LoadRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->bound = environment.backends.share(number_at(info, 1));
  if (request->bound == nullptr || !info[2].IsObject()) {
    request->refuse(-EBADF);
    return;
  }
  request->options = load_options(ValueReader(info[2]));
  request->launch(*request->bound->home);
}

Napi::Value load_result(const Napi::CallbackInfo& info) {
  auto& results = environment_of(info).load_results;
  auto found = results.find(static_cast<std::int32_t>(number_at(info, 0)));
  ObjectWriter object(info.Env());
  if (found == results.end()) {
    return object.object();
  }
  const exports::LoadResult& result = found->second;
  object.set("requests", result.requests);
  object.set("bytes", result.bytes);
  object.set("elapsedNs", result.elapsed);
  object.set("checksum", result.checksum);
  object.set("p50", result.latency.percentile(0.5));
  object.set("p99", result.latency.percentile(0.99));
  object.set("max", result.latency.max());
  results.erase(found);
  return object.object();
}

}  // namespace

void export_load(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "loadStart", load_start);
  add_function(environment, exports, "loadResult", load_result);
}

}  // namespace blk::binding
