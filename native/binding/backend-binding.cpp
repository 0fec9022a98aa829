// backendCreate ... backendCount.
#include <cerrno>

#include "binding/exports.hpp"
#include "binding/protocol.hpp"

namespace blk::binding {
namespace {

/// Finds the backend after handing over the descriptors written so far, so that a call takes effect
/// after the requests made before it.
std::shared_ptr<BoundBackend> backend_at(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.backends.share(number_at(info, 0));
}

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
  // Messages that are still on their way home hold references of their own.
  environment_of(info).backends.remove(number_at(info, 0));
  return result(info, 0);
}

Napi::Value backend_set_root(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return result(info, -EBADF);
  }
  if (bound->backend.in_flight() != 0) {
    return result(info, -EBUSY);
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
  bound->backend.root() = std::move(edge);
  return result(info, 0);
}

void backend_set_flag(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const auto flag = static_cast<FlagId>(static_cast<int>(number_at(info, 1)));
  const bool value = info[2].ToBoolean().Value();
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
  if (info[1].ToBoolean().Value()) {
    bound->backend.announce_begin();
    post_call(*bound->home, [bound] { bound->backend.quiesce_begin(); });
  } else if (bound->backend.quiesce_count() > 0) {
    bound->backend.announce_end();
    // What this end lets go counts only once the home has seen it. A section that begins before
    // that must wait for it all the same, so the message counts in its place. In this order: a
    // request that parks is seen as parked before it is no longer in flight.
    const bool lets_go = bound->backend.in_flight() != 0 || bound->backend.parked() != 0;
    if (lets_go) {
      bound->backend.count();
    }
    post_release(*bound->home, [bound, lets_go] {
      bound->backend.quiesce_end();
      if (lets_go) {
        bound->backend.uncount();
      }
    });
    environment_of(info).ring().kick();  // parked requests run again
  }
}

Napi::Value backend_info(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  Napi::Object object = Napi::Object::New(info.Env());
  if (bound == nullptr) {
    return object;
  }
  // Asked in the home, after the requests that were made before this call: only then they are
  // either parked or in flight for good.
  std::uint32_t parked = 0;
  bound->home->run_and_wait([&] { parked = bound->backend.parked(); });
  object.Set("inFlight", bound->backend.in_flight());
  object.Set("parked", parked);
  object.Set("quiesce", bound->backend.quiesce_count());
  object.Set("available", bound->backend.is_available());
  return object;
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

void backend_abort_parked(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  const int error = static_cast<int>(number_at(info, 1));
  post_release(*bound->home, [bound, error] { bound->backend.abort_parked(error); });
  environment_of(info).ring().kick();
}

void backend_count(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundBackend> bound = backend_at(info);
  if (bound == nullptr) {
    return;
  }
  if (number_at(info, 1) > 0) {
    bound->backend.count();
  } else if (bound->backend.in_flight() > 0) {
    bound->backend.uncount();
  }
}

}  // namespace

void export_backends(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "backendCreate", backend_create);
  add_function(environment, exports, "backendDestroy", backend_destroy);
  add_function(environment, exports, "backendSetRoot", backend_set_root);
  add_function(environment, exports, "backendSetFlag", backend_set_flag);
  add_function(environment, exports, "backendQuiesce", backend_quiesce);
  add_function(environment, exports, "backendInfo", backend_info);
  add_function(environment, exports, "backendLength", backend_length);
  add_function(environment, exports, "backendInFlight", backend_in_flight);
  add_function(environment, exports, "backendAbortParked", backend_abort_parked);
  add_function(environment, exports, "backendCount", backend_count);
}

}  // namespace blk::binding
