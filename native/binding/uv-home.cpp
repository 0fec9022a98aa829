#include "binding/uv-home.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace blk::binding {
namespace {

constexpr aio::Nanoseconds kSecond = 1'000'000'000;

int start_poll(uv_loop_t* loop, uv_poll_t*& handle, int fd, uv_poll_cb callback, void* data) {
  handle = new uv_poll_t;
  int error = uv_poll_init(loop, handle, fd);
  if (error != 0) {
    delete handle;
    handle = nullptr;
    return error;
  }
  handle->data = data;
  uv_poll_start(handle, UV_READABLE, callback);
  uv_unref(reinterpret_cast<uv_handle_t*>(handle));
  return 0;
}

}  // namespace

UvHome::~UvHome() {
  int handles = 0;
  stop([](uv_handle_t* closed) { delete reinterpret_cast<uv_poll_t*>(closed); }, nullptr, handles);
}

int UvHome::start(uv_loop_t* loop) {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) {
    return -errno;
  }
  int error = start_poll(loop, engine_poll_, context_.engine().poll_fd(), on_poll, this);
  if (error == 0) {
    error = start_poll(loop, timer_poll_, timer_.get(), on_poll, this);
  }
  return error;
}

void UvHome::on_poll(uv_poll_t* handle, int /*status*/, int /*events*/) {
  auto* self = static_cast<UvHome*>(handle->data);
  if (handle == self->timer_poll_) {
    std::uint64_t expirations = 0;
    [[maybe_unused]] ssize_t ignored =
        ::read(self->timer_.get(), &expirations, sizeof(expirations));
    self->armed_ = aio::kNever;
  }
  self->woken_ = true;
  self->wake_(self->owner_);
}

void UvHome::arm_timer() {
  const aio::Nanoseconds deadline = context_.next_deadline();
  if (deadline == armed_) {
    return;
  }
  armed_ = deadline;
  itimerspec spec{};  // all zero: disarm
  if (deadline != aio::kNever) {
    const aio::Nanoseconds when = std::max<aio::Nanoseconds>(deadline, 1);
    spec.it_value.tv_sec = when / kSecond;
    spec.it_value.tv_nsec = when % kSecond;
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void UvHome::stop(uv_close_cb closed, void* data, int& handles) {
  for (uv_poll_t** handle : {&engine_poll_, &timer_poll_}) {
    if (*handle != nullptr) {
      (*handle)->data = data;
      uv_close(reinterpret_cast<uv_handle_t*>(*handle), closed);
      *handle = nullptr;
      ++handles;
    }
  }
}

}  // namespace blk::binding
