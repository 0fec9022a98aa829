#include "exports/nbd-export.hpp"

#include <algorithm>

#include "exports/nbd-protocol.hpp"
#include "exports/nbd-stream.hpp"

namespace blk::exports {

bool NbdExport::is_read_only() const { return (options_.flags & nbd::kReadOnly) != 0; }

void NbdExport::remove_user() {
  if (--users_ == 0 && unused_ != nullptr) {
    unused_(unused_owner_);
  }
}

void NbdExport::when_unused(void (*done)(void*), void* owner) {
  unused_ = done;
  unused_owner_ = owner;
  if (users_ == 0) {
    unused_(unused_owner_);
  }
}

void NbdExport::add_client(NbdStream& client) {
  clients_.push_back(&client);
  client.set_backend(backend_.get());
  if (drained_) {
    client.pause();
  }
  if (hung_up_) {
    client.hang_up();
  }
}

void NbdExport::remove_client(NbdStream& client) {
  client.resume();
  client.set_backend(nullptr);
  std::erase(clients_, &client);
}

void NbdExport::hang_up() {
  hung_up_ = true;
  std::for_each(clients_.begin(), clients_.end(), [](NbdStream* client) { client->hang_up(); });
}

void NbdExport::drained_begin() {
  drained_ = true;
  std::for_each(clients_.begin(), clients_.end(), [](NbdStream* client) { client->pause(); });
}

void NbdExport::drained_end() {
  drained_ = false;
  std::for_each(clients_.begin(), clients_.end(), [](NbdStream* client) { client->resume(); });
}

void NbdExport::leave_context() {
  std::for_each(clients_.begin(), clients_.end(),
                [](NbdStream* client) { client->leave_context(); });
}

void NbdExport::enter_context(aio::AioContext& context) {
  std::for_each(clients_.begin(), clients_.end(),
                [&context](NbdStream* client) { client->enter_context(context); });
}

}  // namespace blk::exports
