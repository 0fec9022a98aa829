#include "exports/nbd-request.hpp"

namespace blk::exports {

namespace {

constexpr std::size_t kMagic = 4;

}  // namespace

bool parse_header(const std::byte* from, bool extended, NbdHeader& header) {
  const auto magic = nbd::load<std::uint32_t>(from);
  if (magic != (extended ? nbd::kExtendedRequestMagic : nbd::kRequestMagic)) {
    return false;
  }
  from += kMagic;
  header.flags = nbd::load<std::uint16_t>(from);
  header.command = static_cast<nbd::Command>(nbd::load<std::uint16_t>(from + 2));
  header.cookie = nbd::load<std::uint64_t>(from + 4);
  header.offset = nbd::load<std::uint64_t>(from + 12);
  header.length =
      extended ? nbd::load<std::uint64_t>(from + 20) : nbd::load<std::uint32_t>(from + 20);
  return true;
}

bool BackendCall::await_suspend(std::coroutine_handle<> caller) {
  block::Backend& backend = *request_.backend;
  request_.waiter = caller;
  request_.done = done;
  request_.is_done = false;
  request_.is_submitting = true;
  backend.submit_from_home(&request_);
  request_.is_submitting = false;
  return !request_.is_done;
}

void BackendCall::done(block::Request* request) {
  auto* self = static_cast<NbdRequest*>(request);
  block::Backend& backend = *self->backend;
  if (self->is_submitting) {
    self->is_done = true;
  } else {
    self->waiter.resume();
  }
  // After it has gone on: a section that finds the backend idle finds its writer held.
  backend.uncount();
}

}  // namespace blk::exports
