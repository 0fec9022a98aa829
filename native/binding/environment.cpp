#include "binding/environment.hpp"

#include <algorithm>

#include "drivers/builtin.hpp"

namespace blk::binding {

Environment::Environment(Napi::Env env) : env_(env), ring_(*this) {
  drivers::register_builtin(drivers);
}

Environment* Environment::create(Napi::Env env) {
  auto* self = new Environment(env);
  napi_add_async_cleanup_hook(env, on_teardown, self, &self->cleanup_hook_);
  return self;
}

int Environment::start() {
  if (napi_get_uv_event_loop(env_, &loop_) != napi_ok) {
    return -ENOTSUP;
  }
  if (int error = outbox_.open(); error != 0) {
    return error;
  }
  doorbell_poll_ = new uv_poll_t;
  if (int error = uv_poll_init(loop_, doorbell_poll_, outbox_.fd()); error != 0) {
    delete doorbell_poll_;
    doorbell_poll_ = nullptr;
    return error;
  }
  doorbell_poll_->data = this;
  uv_poll_start(doorbell_poll_, UV_READABLE, on_doorbell);
  check_ = new uv_check_t;
  uv_check_init(loop_, check_);
  check_->data = this;
  uv_check_start(check_, on_check);
  uv_unref(reinterpret_cast<uv_handle_t*>(doorbell_poll_));
  uv_unref(reinterpret_cast<uv_handle_t*>(check_));
  return 0;
}

void Environment::on_doorbell(uv_poll_t* handle, int /*status*/, int /*events*/) {
  auto* self = static_cast<Environment*>(handle->data);
  self->outbox_.answer();
  self->ring_.on_loop();
}

void Environment::on_check(uv_check_t* handle) {
  static_cast<Environment*>(handle->data)->ring_.new_turn();
}

bool Environment::turn_contexts() {
  bool more = false;
  for (const auto& context : local_contexts_) {
    aio::AioContext& aio = context->aio();
    // A virtual home moves only in contextAdvance(); its ready queue may run here.
    const bool woken = context->uv() != nullptr && context->uv()->take_woken();
    if (woken || aio.has_ready() || aio.engine().in_flight() > 0 || !aio.timers().empty()) {
      more |= aio.turn();
    }
  }
  return more;
}

void Environment::submit_contexts() {
  for (const auto& context : local_contexts_) {
    context->aio().submit();
  }
}

void Environment::begin_batch() {
  for (const auto& context : local_contexts_) {
    context->aio().begin_batch();
  }
}

void Environment::release_plugged() {
  for (const auto& context : local_contexts_) {
    if (context->aio().holds_back()) {
      context->aio().release();
    }
  }
}

bool Environment::has_work_ready() const {
  return std::any_of(local_contexts_.begin(), local_contexts_.end(),
                     [](const auto& context) { return context->has_work_ready(); });
}

void Environment::take_finished(aio::IntrusiveList<aio::Runnable>& out) {
  for (const auto& context : local_contexts_) {
    context->take_finished(out);
  }
}

void Environment::prepare_sleep(bool owes_completions) {
  for (const auto& context : local_contexts_) {
    if (context->uv() != nullptr) {
      context->uv()->arm_timer();
    }
    if (context->aio().holds_back()) {
      outbox_.ring();  // the loop comes round and lets go of it, see RequestRing::on_loop()
    }
  }
  if (owes_completions == loop_referenced_ || doorbell_poll_ == nullptr) {
    return;
  }
  loop_referenced_ = owes_completions;
  auto* handle = reinterpret_cast<uv_handle_t*>(doorbell_poll_);
  owes_completions ? uv_ref(handle) : uv_unref(handle);
}

void Environment::add_context(std::shared_ptr<HomedContext> context) {
  if (!context->is_remote()) {
    local_contexts_.push_back(std::move(context));
  }
}

void Environment::remove_context(double handle) {
  std::erase(local_contexts_, contexts.remove(handle));
}

}  // namespace blk::binding
