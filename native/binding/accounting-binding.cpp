// backendStats ... takeWriteThresholdEvents: what was done, in numbers.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "binding/exports.hpp"
#include "binding/protocol.hpp"

namespace blk::binding {
namespace {

using accounting::AccountType;
using accounting::BlockStats;
using accounting::StatsSnapshot;

aio::Nanoseconds now_of(BoundBackend& bound) { return bound.home->aio().clock().now(); }

AccountType type_at(const Napi::CallbackInfo& info, std::size_t index) {
  return accounting::account_type(static_cast<std::int64_t>(number_at(info, index)));
}

napi_value number_in(napi_env env, std::int64_t value) {
  napi_value number = nullptr;
  napi_create_double(env, static_cast<double>(value), &number);
  return number;
}

napi_value counters_object(napi_env env, const accounting::Counters& counters) {
  return ObjectWriter(env)
      .set("bytes", counters.bytes.get())
      .set("operations", counters.operations.get())
      .set("failed", counters.failed.get())
      .set("invalid", counters.invalid.get())
      .set("merged", counters.merged.get())
      .set("totalTime", counters.total_time.get())
      .object();
}

napi_value latency_object(napi_env env, accounting::TimedAverage& latency, aio::Nanoseconds now) {
  const accounting::TimedAverage::Result result = latency.result(now);
  return ObjectWriter(env)
      .set("min", result.min)
      .set("max", result.max)
      .set("average", result.average)
      .set("sum", result.sum)
      .set("elapsed", result.elapsed)
      .object();
}

napi_value interval_object(napi_env env, accounting::Interval& interval, aio::Nanoseconds now) {
  return ObjectWriter(env)
      .set("length", interval.length)
      .set("latency", array_of(env, interval.latency.size(),
                               [&](std::size_t index) {
                                 return latency_object(env, interval.latency[index], now);
                               }))
      .object();
}

napi_value histogram_object(napi_env env, const accounting::LatencyBins& histogram) {
  const auto& bounds = histogram.bounds();
  const auto& bins = histogram.bins();
  return ObjectWriter(env)
      .set("boundaries",
           array_of(env, bounds.size(), [&](std::size_t i) { return number_in(env, bounds[i]); }))
      .set("bins",
           array_of(env, bins.size(), [&](std::size_t i) { return number_in(env, bins[i].get()); }))
      .set("sum", histogram.sum())
      .object();
}

// backendStats(backend): a copy, made without asking the home. In the order of the types.
Napi::Value backend_stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ObjectWriter object(env);
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return object.object();
  }
  // Who accounts something and then reads finds it.
  if (bound->accounts_under_way.load() != 0) {
    bound->home->run_and_wait([] {});
  }
  const BlockStats& stats = bound->backend.stats();
  StatsSnapshot snapshot = stats.snapshot();
  const aio::Nanoseconds now = now_of(*bound);
  object.set("counters", array_of(env, snapshot.counters.size(), [&](std::size_t index) {
               return counters_object(env, snapshot.counters[index]);
             }));
  object.set("intervals", array_of(env, snapshot.intervals.size(), [&](std::size_t index) {
               return interval_object(env, snapshot.intervals[index], now);
             }));
  object.set("histograms", array_of(env, snapshot.histograms.size(), [&](std::size_t index) {
               return histogram_object(env, snapshot.histograms[index]);
             }));
  const bool accessed = snapshot.last_access != BlockStats::kNeverAccessed;
  // Another thread's batch may be a little ahead of this clock.
  object.set("idle", accessed ? std::max<std::int64_t>(now - snapshot.last_access, 0) : -1);
  object.set("accountInvalid", stats.accounts_invalid());
  object.set("accountFailed", stats.accounts_failed());
  const block::Node* node = bound->backend.root().node.get();
  object.set("highestWrittenOffset", node != nullptr ? node->highest_written_offset() : 0);
  object.set("inFlight", bound->backend.in_flight());
  object.set("parked", bound->backend.parked());
  return object.object();
}

// Owners' own accounting. Times are nanoseconds since the backend was made, so that they are exact
// as a double.

// backendAccountTime(backend): now.
Napi::Value backend_account_time(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  return Napi::Number::New(
      info.Env(), bound != nullptr ? static_cast<double>(now_of(*bound) - bound->created) : 0);
}

// backendAccount(backend, what, type, amount, start): see AccountEvent in lib/aio/protocol.ts.
void backend_account(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const int what = static_cast<int>(number_at(info, 1));
  const AccountType type = type_at(info, 2);
  const auto amount = static_cast<std::int64_t>(number_at(info, 3));
  const auto start = static_cast<aio::Nanoseconds>(number_at(info, 4)) + bound->created;
  const aio::Nanoseconds now = now_of(*bound);
  bound->accounts_under_way.fetch_add(1);
  post_call(*bound->home, [bound, what, type, amount, start, now] {
    BlockStats& stats = bound->backend.stats();
    accounting::Cookie cookie = BlockStats::start(type, amount, start);
    switch (static_cast<AccountEvent>(what)) {
      case AccountEvent::kDone:
        stats.done(cookie, now);
        break;
      case AccountEvent::kFailed:
        stats.failed(cookie, now);
        break;
      case AccountEvent::kInvalid:
        stats.invalid(type, now);
        break;
      case AccountEvent::kMerged:
        stats.merged(type, amount);
        break;
    }
    bound->accounts_under_way.fetch_sub(1);
  });
}

std::optional<bool> choice_at(const Napi::CallbackInfo& info, std::size_t index) {
  const ValueReader value(info[index]);
  return value.type() == napi_boolean ? std::optional<bool>(value.boolean()) : std::nullopt;
}

// backendAccountSetup(backend, accountInvalid, accountFailed): undefined keeps what is set.
void backend_account_setup(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const std::optional<bool> invalid = choice_at(info, 1);
  const std::optional<bool> failed = choice_at(info, 2);
  bound->home->run_and_wait([&] { bound->backend.stats().set_up(invalid, failed); });
}

// backendAddInterval(backend, seconds)
void backend_add_interval(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const auto length = static_cast<aio::Nanoseconds>(number_at(info, 1)) * 1'000'000'000;
  const aio::Nanoseconds now = now_of(*bound);
  bound->home->run_and_wait([&] { bound->backend.stats().add_interval(length, now); });
}

// backendSetHistogram(backend, type, bounds): 0 or a negative errno.
Napi::Value backend_set_histogram(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  std::vector<std::int64_t> bounds;
  for (const ValueReader& bound_reader : ValueReader(info[2]).elements()) {
    bounds.push_back(static_cast<std::int64_t>(bound_reader.number()));
  }
  if (!is_readable(info.Env())) {
    return errno_value(info, -ECANCELED);
  }
  int error = 0;
  bound->home->run_and_wait(
      [&] { error = bound->backend.stats().set_histogram(type_at(info, 1), std::move(bounds)); });
  return errno_value(info, error);
}

// --- write thresholds

// nodeSetWriteThreshold(node, bytes): after the requests that were made before.
Napi::Value node_set_write_threshold(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<BoundNode> bound = environment.nodes.share(number_at(info, 0));
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  const auto bytes = static_cast<std::uint64_t>(number_at(info, 1));
  bound->home->run_and_wait([&] { bound->node->set_write_threshold(bytes); });
  return errno_value(info, 0);
}

// takeWriteThresholdEvents(): what happened since the last call, in order.
Napi::Value take_write_threshold_events(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto events = std::exchange(environment_of(info).threshold_events, {});
  return {env, array_of(env, events.size(), [&](std::size_t index) -> napi_value {
            return ObjectWriter(env)
                .set("node", events[index].node_id)
                .set("threshold", events[index].threshold)
                .set("exceeded", events[index].exceeded)
                .object();
          })};
}

}  // namespace

void export_accounting(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "backendStats", backend_stats);
  add_function(environment, exports, "backendAccountTime", backend_account_time);
  add_function(environment, exports, "backendAccount", backend_account);
  add_function(environment, exports, "backendAccountSetup", backend_account_setup);
  add_function(environment, exports, "backendAddInterval", backend_add_interval);
  add_function(environment, exports, "backendSetHistogram", backend_set_histogram);
  add_function(environment, exports, "nodeSetWriteThreshold", node_set_write_threshold);
  add_function(environment, exports, "takeWriteThresholdEvents", take_write_threshold_events);
}

}  // namespace blk::binding
