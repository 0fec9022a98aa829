// throttleGroupCreate ... throttleInfo.
#include <array>
#include <cerrno>
#include <utility>

#include "binding/exports.hpp"

namespace blk::binding {
namespace {

using throttle::Direction;
using throttle::Lane;
using throttle::Limits;

Napi::Value errno_value(const Napi::CallbackInfo& info, int error) {
  return Napi::Number::New(info.Env(), error);
}

std::shared_ptr<BoundGroup> group_at(const Napi::CallbackInfo& info, std::size_t index) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.groups.share(number_at(info, index));
}

Napi::Value group_create(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           environment_of(info).groups.insert(std::make_shared<BoundGroup>()));
}

// throttleGroupDestroy(group): EBUSY while it has members.
Napi::Value group_destroy(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundGroup> group = group_at(info, 0);
  if (group == nullptr || group->members() != 0) {
    return errno_value(info, group == nullptr ? -EBADF : -EBUSY);
  }
  environment_of(info).groups.remove(number_at(info, 0));
  return errno_value(info, 0);
}

/// Six times average, maximum and burst length, then the operation size.
constexpr std::size_t kLimitNumbers = throttle::kBuckets * 3 + 1;

Limits limits_from(const std::vector<ValueReader>& numbers) {
  Limits limits;
  for (std::size_t index = 0; index < throttle::kBuckets; ++index) {
    throttle::BucketLimits& bucket = limits.buckets[index];
    bucket.average = numbers[index * 3].number();
    bucket.maximum = numbers[index * 3 + 1].number();
    bucket.burst_length = static_cast<std::uint64_t>(numbers[index * 3 + 2].number());
  }
  limits.operation_size = numbers[throttle::kBuckets * 3].number();
  return limits;
}

// throttleGroupConfigure(group, numbers)
Napi::Value group_configure(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundGroup> group = group_at(info, 0);
  const std::vector<ValueReader> numbers = ValueReader(info[1]).elements();
  if (group == nullptr || numbers.size() != kLimitNumbers) {
    return errno_value(info, group == nullptr ? -EBADF : -EINVAL);
  }
  const Limits limits = limits_from(numbers);
  if (!is_readable(info.Env())) {
    return errno_value(info, -ECANCELED);
  }
  group->configure(limits);
  environment_of(info).ring().kick();  // a timer may be due earlier now
  return errno_value(info, 0);
}

/// An array of numbers; as far as it can be written.
template <typename Container>
napi_value array_of(napi_env env, const Container& values) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, values.size(), &array) != napi_ok) {
    return nullptr;
  }
  std::uint32_t index = 0;
  for (const auto value : values) {
    napi_value number = nullptr;
    if (napi_create_double(env, static_cast<double>(value), &number) == napi_ok) {
      napi_set_element(env, array, index, number);
    }
    ++index;
  }
  return array;
}

void set_waited(ObjectWriter& object, napi_env env, const throttle::WaitCounters& waited) {
  std::array<std::uint64_t, throttle::WaitHistogram::kWaitBuckets> waits{};
  for (std::size_t bucket = 0; bucket < waits.size(); ++bucket) {
    waits[bucket] = waited.waits.count(bucket);
  }
  object.set("throttled", waited.throttled.load());
  object.set("throttledNs", waited.throttled_ns.load());
  object.set("waits", array_of(env, waits));
}

const char* name_of(Direction direction) {
  return direction == Direction::kRead ? "read" : "write";
}

// throttleGroupInfo(group)
Napi::Value group_info(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundGroup> group = group_at(info, 0);
  ObjectWriter object(info.Env());
  if (group == nullptr) {
    return object.object();
  }
  const BoundGroup::State state = group->state();
  std::array<double, throttle::kBuckets> levels{};
  std::array<double, throttle::kBuckets> burst_levels{};
  for (std::size_t index = 0; index < throttle::kBuckets; ++index) {
    const throttle::Bucket& bucket = state.meter.bucket(static_cast<throttle::BucketIndex>(index));
    levels[index] = bucket.level();
    burst_levels[index] = bucket.burst_level();
  }
  object.set("members", group->members());
  object.set("now", state.now);
  object.set("levels", array_of(info.Env(), levels));
  object.set("burstLevels", array_of(info.Env(), burst_levels));
  object.set("throttledUntil", array_of(info.Env(), state.throttled_until));
  for (const Direction direction : throttle::kDirections) {
    ObjectWriter part(info.Env());
    set_waited(part, info.Env(), group->waited(direction));
    object.set(name_of(direction), part.object());
  }
  return object.object();
}

// --- members

/// Backend or node: both have a home and a group.
template <typename Bound>
int set_group(Bound& bound, throttle::Member& member, std::shared_ptr<BoundGroup> group) {
  if (bound.group != nullptr) {
    bound.group->leave(member, *bound.home);
    bound.group = nullptr;
  }
  if (group == nullptr) {
    return 0;
  }
  if (int error = group->join(member, bound.home); error != 0) {
    return error;
  }
  bound.group = std::move(group);
  return 0;
}

/// Leaving needs an empty queue; who has no group has none.
template <typename Bound>
Napi::Value set_group_of(const Napi::CallbackInfo& info, Bound* bound, throttle::Member* member,
                         bool is_busy) {
  std::shared_ptr<BoundGroup> group = group_at(info, 1);
  const bool is_unknown = group == nullptr && number_at(info, 1) != 0;
  if (bound == nullptr || is_unknown || member == nullptr) {
    return errno_value(info, -EBADF);
  }
  if (bound->group != nullptr && is_busy) {
    return errno_value(info, -EBUSY);
  }
  return errno_value(info, set_group(*bound, *member, std::move(group)));
}

// backendSetGroup(backend, group): 0 for none.
Napi::Value backend_set_group(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  BoundBackend* bound = environment.backends.find(number_at(info, 0));
  throttle::Member* member = bound != nullptr ? &bound->backend.throttle() : nullptr;
  return set_group_of(info, bound, member, bound != nullptr && bound->backend.in_flight() != 0);
}

// nodeSetGroup(node, group): of a node whose driver throttles.
Napi::Value node_set_group(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  BoundNode* bound = environment.nodes.find(number_at(info, 0));
  throttle::Member* member = bound != nullptr ? bound->node->driver().throttle() : nullptr;
  return set_group_of(info, bound, member, bound != nullptr && bound->node->in_flight() != 0);
}

Napi::Value lanes_of(const Napi::CallbackInfo& info, const throttle::Member* member) {
  ObjectWriter object(info.Env());
  if (member == nullptr) {
    return object.object();
  }
  for (const Direction direction : throttle::kDirections) {
    const Lane& lane = member->lane(direction);
    ObjectWriter part(info.Env());
    part.set("waiting", lane.waiting.load());
    set_waited(part, info.Env(), lane.waited);
    object.set(name_of(direction), part.object());
  }
  return object.object();
}

// backendThrottleInfo(backend): what it waits and waited for.
Napi::Value backend_throttle_info(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<BoundBackend> bound = environment.backends.share(number_at(info, 0));
  if (bound != nullptr) {
    bound->home->run_and_wait([] {});  // what was submitted before this call waits by now
  }
  return lanes_of(info, bound != nullptr ? &bound->backend.throttle() : nullptr);
}

// nodeThrottleInfo(node)
Napi::Value node_throttle_info(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<BoundNode> bound = environment.nodes.share(number_at(info, 0));
  if (bound != nullptr) {
    bound->home->run_and_wait([] {});
  }
  return lanes_of(info, bound != nullptr ? bound->node->driver().throttle() : nullptr);
}

}  // namespace

void export_throttle(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "throttleGroupCreate", group_create);
  add_function(environment, exports, "throttleGroupDestroy", group_destroy);
  add_function(environment, exports, "throttleGroupConfigure", group_configure);
  add_function(environment, exports, "throttleGroupInfo", group_info);
  add_function(environment, exports, "backendSetGroup", backend_set_group);
  add_function(environment, exports, "nodeSetGroup", node_set_group);
  add_function(environment, exports, "backendThrottleInfo", backend_throttle_info);
  add_function(environment, exports, "nodeThrottleInfo", node_throttle_info);
}

}  // namespace blk::binding
