// The end of a Node environment: process exit, or a worker that ends or is terminated, with
// anything in flight.
//
// Apart from giving back its references, no Node-API call is made from here on. Order: stop
// accepting; drop what is parked; cancel and join every context (IOThreads on their own threads,
// the others here), 2 s in all; descriptors, hence image locks, close last. What the kernel or a
// worker still holds then is kept for ever, with its memory: better a leak than a write into freed
// memory. Memory that JavaScript owns cannot be kept, so while a request uses a SharedArrayBuffer
// the wait has no end.
#include <cerrno>
#include <mutex>
#include <vector>

#include "binding/environment.hpp"

namespace blk::binding {
namespace {

constexpr aio::Nanoseconds kGrace = 2'000'000'000;

/// Environments that could not be freed. Reachable, so that leak checkers know it is on purpose.
void keep_for_ever(Environment* environment) {
  static std::mutex mutex;
  static std::vector<Environment*>* orphans = new std::vector<Environment*>;
  std::lock_guard<std::mutex> lock(mutex);
  orphans->push_back(environment);
}

}  // namespace

void Environment::on_teardown(napi_async_cleanup_hook_handle /*handle*/, void* self) {
  static_cast<Environment*>(self)->teardown();
}

void Environment::teardown() {
  ring_.close();
  hang_up_exports();
  backends.for_each([](BoundBackend& bound) {
    block::Backend* backend = &bound.backend;
    post_call(*bound.home, [backend] {
      backend->abort_parked(-ECANCELED);
      backend->abort_throttled(-ECANCELED);
    });
  });
  for (const auto& context : local_contexts_) {
    if (context->uv() != nullptr) {
      context->uv()->stop(on_closed, this, open_handles_);
    }
  }
  orphaned_ = !stop_contexts();
  for (auto* handle :
       {reinterpret_cast<uv_handle_t*>(doorbell_poll_), reinterpret_cast<uv_handle_t*>(check_)}) {
    if (handle != nullptr) {
      handle->data = this;
      uv_close(handle, on_closed);
      ++open_handles_;
    }
  }
  if (open_handles_ == 0) {
    finish_teardown();
  }
}

// Engines cancel what waits for peers; who waits for the end of a drained section is woken here.
void Environment::hang_up_exports() {
  nbd_servers.for_each([](exports::NbdServer& server) { server.hang_up_negotiations(); });
  nbd_exports.for_each([](BoundNbdExport& exported) {
    post_call(*exported.bound->home, [item = exported.item] { item->hang_up(); });
  });
}

// Clients of IOThreads come back to this thread when they have ended, so its contexts are the last.
bool Environment::stop_contexts() {
  const aio::Nanoseconds deadline =
      ring_.uses_foreign_memory() ? aio::kNever : aio::MonotonicClock().now() + kGrace;
  bool stopped = true;
  for (const bool remote : {true, false}) {
    contexts.for_each([&](HomedContext& context) {
      if (context.is_remote() == remote) {
        stopped &= context.stop(deadline);
      }
    });
  }
  return stopped;
}

void Environment::on_closed(uv_handle_t* handle) {
  auto* self = static_cast<Environment*>(handle->data);
  if (handle->type == UV_POLL) {
    delete reinterpret_cast<uv_poll_t*>(handle);
  } else {
    delete reinterpret_cast<uv_check_t*>(handle);
  }
  if (--self->open_handles_ == 0) {
    self->finish_teardown();
  }
}

void Environment::finish_teardown() {
  napi_async_cleanup_hook_handle hook = cleanup_hook_;
  if (orphaned_) {
    keep_for_ever(this);
  } else {
    ring_.drop_everything();
    nbd_exports.clear();
    nbd_servers.clear();
    backends.clear();
    nodes.clear();
    groups.clear();
    local_contexts_.clear();
    contexts.clear();
    delete this;
  }
  napi_remove_async_cleanup_hook(hook);
}

}  // namespace blk::binding
