// hostFeatures, contextCreate, contextDestroy, contextInfo, contextSetPollMax, contextWriteInPlace,
// contextAdvance.
#include <algorithm>
#include <atomic>
#include <cerrno>

#include "aio/host-features.hpp"
#include "binding/exports.hpp"
#include "binding/failure.hpp"

namespace blk::binding {
namespace {

constexpr aio::Nanoseconds kStopTime = 2'000'000'000;

void describe_engine(ObjectWriter& target, const aio::EngineReport& report) {
  target.set("engine", report.engine);
  target.set("reason", report.reason);
  target.set("flags", report.flags);
  target.set("errno", report.error);
}

Napi::Value host_features(const Napi::CallbackInfo& info) {
  const aio::HostFeatures features = aio::host_features();
  ObjectWriter result(info.Env());
  describe_engine(result, features.io_uring);
  result.set("kernel", features.kernel);
  return result.object();
}

Napi::Value claim_fallback_warning(const Napi::CallbackInfo& info) {
  static std::atomic<bool> claimed{false};  // once per process, as the probe itself
  return Napi::Boolean::New(info.Env(), !claimed.exchange(true));
}

template <typename T>
T number_of(const ValueReader& object, const char* name, T otherwise) {
  return static_cast<T>(object[name].number(static_cast<double>(otherwise)));
}

aio::SimOptions sim_options(const ValueReader& object) {
  aio::SimOptions options;
  options.seed = number_of(object, "seed", options.seed);
  options.min_latency = number_of(object, "minLatency", options.min_latency);
  options.max_latency = number_of(object, "maxLatency", options.max_latency);
  options.fail_per_million = number_of(object, "failPerMillion", options.fail_per_million);
  options.fail_errno = number_of(object, "failErrno", options.fail_errno);
  options.short_per_million = number_of(object, "shortPerMillion", options.short_per_million);
  options.torn_per_million = number_of(object, "tornPerMillion", options.torn_per_million);
  options.again_per_million = number_of(object, "againPerMillion", options.again_per_million);
  return options;
}

Napi::Value context_create(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  const auto kind = static_cast<HomeKind>(static_cast<int>(number_at(info, 0)));
  const auto choice = static_cast<aio::EngineChoice>(static_cast<int>(number_at(info, 1)));
  auto context = std::make_shared<HomedContext>(kind, environment.outbox());
  int error = -EINVAL;
  switch (kind) {
    case HomeKind::kNode:
      error = context->start_node(
          environment.loop(), choice,
          [](void* owner) { static_cast<Environment*>(owner)->ring().on_loop(); }, &environment);
      break;
    case HomeKind::kIoThread:
      error = context->start_thread(choice, ValueReader(info[2]).string());
      break;
    case HomeKind::kVirtual:
      error = context->start_virtual(sim_options(ValueReader(info[3])));
      break;
  }
  if (error != 0) {
    const aio::EngineReport& probe = aio::probe_io_uring();
    block::ErrorReport report;
    report.fail(error, "engine-unavailable");
    if (choice == aio::EngineChoice::kIoUring && probe.error == error) {
      report.fail(error, "io_uring-unavailable", {{"reason", probe.reason}});
    }
    return failure(info.Env(), report);
  }
  environment.add_context(context);
  return Napi::Number::New(info.Env(), environment.contexts.insert(std::move(context)));
}

Napi::Value context_destroy(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  HomedContext* context = environment.contexts.find(number_at(info, 0));
  if (context != nullptr) {
    context->run_and_wait([] {});  // messages on their way home may hold the last references
  }
  int error = context == nullptr ? -EBADF : context->users != 0 ? -EBUSY : 0;
  if (error == 0 && !context->stop(aio::MonotonicClock().now() + kStopTime)) {
    error = -EBUSY;
  }
  if (error == 0) {
    environment.remove_context(number_at(info, 0));
  }
  return Napi::Number::New(info.Env(), error);
}

Napi::Value context_info(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  HomedContext* context = environment.contexts.find(number_at(info, 0));
  ObjectWriter result(info.Env());
  if (context == nullptr) {
    return result.object();
  }
  // Of a remote context this reads plain counters that its thread writes: a snapshot, off by what
  // is under way, taken in the home so that it is not torn.
  aio::EngineCounters counters;
  std::size_t in_flight = 0;
  aio::Nanoseconds poll_max = 0;
  context->run_and_wait([&] {
    counters = context->aio().engine().counters();
    in_flight = context->aio().engine().in_flight();
    const aio::PollWindow* window = context->poll_window();
    poll_max = window != nullptr ? window->most() : 0;
  });
  describe_engine(result, context->report());
  ObjectWriter submitted(info.Env());
  const auto count = [&](aio::IoOpcode opcode) {
    return counters.submitted[static_cast<std::size_t>(opcode)];
  };
  submitted.set("read", count(aio::IoOpcode::kRead));
  submitted.set("write", count(aio::IoOpcode::kWrite));
  submitted.set("fdatasync", count(aio::IoOpcode::kFdatasync));
  submitted.set("call", count(aio::IoOpcode::kCall));
  result.set("submitted", submitted.object());
  result.set("inFlight", in_flight);
  result.set("ringSubmissions", counters.ring_submissions);
  result.set("workerSubmissions", counters.worker_submissions);
  result.set("unregisteredFiles", counters.unregistered_files);
  result.set("unregisteredBuffers", counters.unregistered_buffers);
  result.set("doneAtOnce", counters.done_at_once);
  result.set("pollMaxNs", static_cast<double>(poll_max));
  result.set("now", static_cast<double>(context->kind() == HomeKind::kVirtual
                                            ? context->virtual_clock().now()
                                            : 0));
  return result.object();
}

void context_set_poll_max(const Napi::CallbackInfo& info) {
  HomedContext* context = environment_of(info).contexts.find(number_at(info, 0));
  const auto most = static_cast<aio::Nanoseconds>(std::max(0.0, number_at(info, 1)));
  if (context != nullptr && context->poll_window() != nullptr) {
    context->run_and_wait([&] { context->poll_window()->set_most(most); });
  }
}

void context_write_in_place(const Napi::CallbackInfo& info) {
  HomedContext* context = environment_of(info).contexts.find(number_at(info, 0));
  if (context != nullptr) {
    context->run_and_wait([&] { context->aio().engine().write_in_place(); });
  }
}

void context_advance(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  HomedContext* context = environment.contexts.find(number_at(info, 0));
  if (context == nullptr || context->kind() != HomeKind::kVirtual) {
    return;
  }
  context->advance(static_cast<aio::Nanoseconds>(std::max(0.0, number_at(info, 1))));
  environment.outbox().ring();
  environment.prepare_sleep(true);
}

}  // namespace

void export_contexts(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "hostFeatures", host_features);
  add_function(environment, exports, "claimFallbackWarning", claim_fallback_warning);
  add_function(environment, exports, "contextCreate", context_create);
  add_function(environment, exports, "contextDestroy", context_destroy);
  add_function(environment, exports, "contextInfo", context_info);
  add_function(environment, exports, "contextSetPollMax", context_set_poll_max);
  add_function(environment, exports, "contextWriteInPlace", context_write_in_place);
  add_function(environment, exports, "contextAdvance", context_advance);
}

}  // namespace blk::binding
