// backendCreate ... backendCount.
#include <cerrno>
#include <utility>

#include "binding/exports.hpp"
#include "binding/protocol.hpp"

namespace blk::binding {
namespace {

Napi::Value result(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}

Napi::Value backend_create(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  std::shared_ptr<HomedContext> home = environment.contexts.share(number_at(info, 0));
  if (home == nullptr) {
    return result(info, 0);
  }
  return result(info, environment.backends.insert(
                          std::make_shared<BoundBackend>(std::move(home), environment.outbox())));
}

Napi::Value backend_destroy(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return result(info, -EBADF);
  }
  if (bound->backend.in_flight() != 0 || bound->backend.parked() != 0) {
    return result(info, -EBUSY);
  }
  if (bound->group != nullptr) {
    std::exchange(bound->group, nullptr)->leave(bound->backend.throttle(), *bound->home);
  }
  // Messages that are still on their way home hold references of their own.
  environment_of(info).backends.remove(number_at(info, 0));
  return result(info, 0);
}

Napi::Value backend_set_root(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return result(info, -EBADF);
  }
  BoundNode* node = environment_of(info).nodes.find(number_at(info, 1));
  if (node == nullptr && number_at(info, 1) != 0) {
    return result(info, -EBADF);
  }
  if (node != nullptr && node->home != bound->home) {
    return result(info, -EXDEV);
  }
  block::Edge edge;
  edge.node = node != nullptr ? node->node : nullptr;
  edge.role = block::kChildPrimary | block::kChildFiltered;
  edge.permissions = static_cast<block::Permissions>(number_at(info, 2));
  edge.shared = static_cast<block::Permissions>(number_at(info, 3));
  // A change of permissions alone comes after the requests that were made before it.
  if (bound->backend.root().node == edge.node) {
    post_call(*bound->home, [bound, permissions = edge.permissions, shared = edge.shared] {
      bound->backend.root().permissions = permissions;
      bound->backend.root().shared = shared;
    });
    return result(info, 0);
  }
  if (bound->backend.in_flight() != 0) {
    return result(info, -EBUSY);
  }
  bound->home->run_and_wait([&] { bound->backend.set_root(std::move(edge)); });
  return result(info, 0);
}

void backend_set_flag(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const auto flag = static_cast<FlagId>(static_cast<int>(number_at(info, 1)));
  const bool value = boolean_at(info, 2);
  post_call(*bound->home, [bound, flag, value] {
    block::BackendFlags& flags = bound->backend.flags();
    switch (flag) {
      case FlagId::kTrayOpen:
        flags.tray_open = value;
        break;
      case FlagId::kWriteCache:
        flags.write_cache = value;
        break;
      case FlagId::kAllowWriteBeyondEnd:
        flags.allow_write_beyond_end = value;
        break;
      case FlagId::kDisableQueueing:
        flags.disable_queueing = value;
        break;
    }
  });
}

void backend_quiesce(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  if (boolean_at(info, 1)) {
    bound->backend.announce_begin();
    post_release(*bound->home, [bound] {
      bound->backend.quiesce_begin();
      bound->backend.begin_arrived();
    });
    environment_of(info).ring().kick();  // throttled requests run
  } else if (bound->backend.quiesce_count() > 0) {
    bound->backend.announce_end();
    // What this end lets go counts once the home has seen it; the begin of a section that must wait
    // for it arrives there later.
    post_release(*bound->home, [bound] { bound->backend.quiesce_end(); });
    environment_of(info).ring().kick();  // parked requests run again
  }
}

Napi::Value backend_info(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  ObjectWriter object(info.Env());
  if (bound == nullptr) {
    return object.object();
  }
  // Asked in the home, after the requests that were made before this call: only then they are
  // either parked or in flight for good.
  std::uint32_t parked = 0;
  bound->home->run_and_wait([&] { parked = bound->backend.parked(); });
  object.set("inFlight", bound->backend.in_flight());
  object.set("parked", parked);
  object.set("quiesce", bound->backend.quiesce_count());
  object.set("available", bound->backend.is_available());
  return object.object();
}

Napi::Value backend_length(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  const block::Node* node = bound != nullptr ? bound->backend.root().node.get() : nullptr;
  return result(info, node != nullptr ? static_cast<double>(node->length()) : 0);
}

Napi::Value backend_in_flight(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  return result(info, bound != nullptr ? bound->backend.in_flight() : 0);
}

// backendBusy(backend): what a section waits for.
Napi::Value backend_busy(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  return result(info, bound != nullptr ? bound->backend.busy() : 0);
}

void backend_abort_parked(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const int error = static_cast<int>(number_at(info, 1));
  bound->backend.count();  // like those that it lets go
  post_release(*bound->home, [bound, error] {
    bound->backend.abort_parked(error);
    bound->backend.uncount();
  });
  environment_of(info).ring().kick();
}

// backendCount(backend, delta): what its owner counts in flight then, or EINVAL for one too few.
Napi::Value backend_count(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return result(info, -EBADF);
  }
  if (number_at(info, 1) > 0) {
    ++bound->owner_counts;
    bound->backend.count();
  } else if (bound->owner_counts == 0) {
    return result(info, -EINVAL);
  } else {
    --bound->owner_counts;
    bound->backend.uncount();
  }
  return result(info, bound->owner_counts);
}

// backendPlug(backend, plug): how many plugs there are then, or EINVAL for an unplug too many.
Napi::Value backend_plug(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return result(info, -EBADF);
  }
  const bool plugs = boolean_at(info, 1);
  if (!plugs && bound->plugs == 0) {
    return result(info, -EINVAL);
  }
  bound->plugs += plugs ? 1 : -1;
  post_call(*bound->home, [bound, plugs] {
    if (plugs) {
      bound->backend.plug();
    } else {
      bound->backend.unplug();
    }
  });
  return result(info, bound->plugs);
}

}  // namespace

void export_backends(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "backendCreate", backend_create);
  add_function(environment, exports, "backendDestroy", backend_destroy);
  add_function(environment, exports, "backendSetRoot", backend_set_root);
  add_function(environment, exports, "backendSetFlag", backend_set_flag);
  add_function(environment, exports, "backendQuiesce", backend_quiesce);
  add_function(environment, exports, "backendBusy", backend_busy);
  add_function(environment, exports, "backendInfo", backend_info);
  add_function(environment, exports, "backendLength", backend_length);
  add_function(environment, exports, "backendInFlight", backend_in_flight);
  add_function(environment, exports, "backendAbortParked", backend_abort_parked);
  add_function(environment, exports, "backendCount", backend_count);
  add_function(environment, exports, "backendPlug", backend_plug);
}

}  // namespace blk::binding
