#include "exports/nbd-connection.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "aio/hop.hpp"

namespace blk::exports {

using aio::Detached;
using aio::Task;

NbdConnection::Deadline::Deadline(NbdConnection& whose)
    : aio::Timer([](aio::Runnable* self) { static_cast<Deadline*>(self)->connection.hang_up(); }),
      connection(whose) {}

NbdConnection::NbdConnection(std::shared_ptr<NbdConnectionOwner> owner, aio::AioContext& context,
                             aio::UniqueFd socket, std::uint64_t number)
    : owner_(std::move(owner)),
      accepted_in_(context),
      number_(number),
      stream_(context, std::move(socket)),
      writer_(stream_, *this) {
  free_.reserve(kRequests);
  for (NbdRequest& request : requests_) {
    request.from_script = false;
    free_.push_back(&request);
  }
}

void NbdConnection::start(std::shared_ptr<NbdConnectionOwner> owner, aio::AioContext& context,
                          aio::UniqueFd socket, std::uint64_t number) {
  live(std::unique_ptr<NbdConnection>(
      new NbdConnection(std::move(owner), context, std::move(socket), number)));
}

void NbdConnection::hang_up() {
  stream_.hang_up();
  owner_->gate(number_).questions.cancel(number_);
}

Detached NbdConnection::live(std::unique_ptr<NbdConnection> self) {
  self->owner_->began(*self);
  int error = co_await self->negotiate();
  self->owner_->negotiated(*self);
  if (error == 0) {
    const std::shared_ptr<NbdExport> item = self->agreement_.item;
    item->add_user();
    self->stream_.leave_context();
    co_await aio::Hop(self->accepted_in_, item->backend().context());
    self->stream_.enter_context(item->backend().context());
    item->add_client(self->stream_);
    error = co_await self->transmit();
    co_await self->finish(/*wanted=*/error == 0);
    item->remove_client(self->stream_);
    self->stream_.leave_context();
    co_await aio::Hop(self->stream_.context(), self->accepted_in_);
    self->stream_.enter_context(self->accepted_in_);
    item->remove_user();
  }
  const std::shared_ptr<NbdConnectionOwner> owner = self->owner_;
  self.reset();
  owner->forget();
}

Task<int> NbdConnection::negotiate() {
  if (!stream_.is_ready()) {
    co_return -ENOMEM;
  }
  Deadline deadline(*this);
  aio::TimerQueue& timers = accepted_in_.timers();
  if (const aio::Nanoseconds time = owner_->handshake_time(); time != 0) {
    timers.arm(deadline, accepted_in_.clock().now() + time);
  }
  NbdNegotiation negotiation(stream_, owner_->exports(), owner_->gate(number_));
  const int error = co_await negotiation.run();
  if (deadline.armed()) {
    timers.disarm(deadline);
  }
  agreement_ = std::move(negotiation.agreement());
  co_return error;
}

// 0: the client has said that it goes, or has ended between two requests.
Task<int> NbdConnection::transmit() {
  for (;;) {
    const int error = co_await receive_request();
    if (error == -ESHUTDOWN || (error == -ECONNRESET && stream_.ended_cleanly())) {
      co_return 0;
    }
    if (error != 0) {
      co_return error;
    }
  }
}

// ESHUTDOWN: the client has said that it goes.
Task<int> NbdConnection::receive_request() {
  const bool extended = agreement_.extended;
  const std::size_t head = extended ? nbd::kExtendedRequestBytes : nbd::kRequestBytes;
  if (int error = co_await stream_.fill(head); error != 0) {
    co_return error;
  }
  NbdHeader header;
  if (!parse_header(stream_.data(), extended, header)) {
    co_return -EINVAL;  // the stream is out of step
  }
  stream_.consume(head);
  if (header.command == nbd::Command::kDisconnect) {
    co_return -ESHUTDOWN;
  }
  const bool has_data =
      header.command == nbd::Command::kRead || header.command == nbd::Command::kWrite;
  // What is refused for its length has no data.
  const std::uint64_t data = has_data && header.length <= nbd::kMaxPayload ? header.length : 0;
  if (!has_room(data)) {
    co_await wait_for_room(data);
  }
  if (stream_.is_hung_up()) {
    co_return -ECONNABORTED;
  }
  NbdRequest& request = *free_.back();
  free_.pop_back();
  request.header = header;
  request.data_bytes = data;
  data_bytes_ += data;
  if (data != 0) {
    request.data = buffers_.take(data);
  }
  int error = co_await receive_payload(request, header.payload(extended));
  if (error == 0) {
    error = co_await stream_.running();
  }
  if (error != 0) {
    replied(request);
    co_return error;
  }
  serve(request);
  co_return 0;
}

// Of a request that will be refused as well, so that the next one is found.
Task<int> NbdConnection::receive_payload(NbdRequest& request, std::uint64_t bytes) {
  if (bytes == 0) {
    return 0;
  }
  const bool wanted = request.header.command == nbd::Command::kWrite && request.data_bytes == bytes;
  return wanted && request.data ? stream_.read(request.data.data(), bytes) : stream_.skip(bytes);
}

Task<int> NbdConnection::wait_for_room(std::uint64_t bytes) {
  while (!has_room(bytes) && !stream_.is_hung_up()) {
    if (!free_.empty() && writer_.is_idle() && window_ < kDataBytes) {
      co_await widen_window();
      continue;
    }
    window_ = writer_.is_idle() ? window_ : kWindow;
    reader_waits_ = true;
    co_await reader_.wait();
    stream_.leave();
  }
  co_return 0;
}

// What the storage has at hand is there after a turn of the context, and then the client is what
// everything waits for. Where it is not, more in flight helps.
Task<int> NbdConnection::widen_window() {
  stream_.enter();
  aio::Reschedule turn(stream_.context());
  co_await turn;
  stream_.leave();
  if (writer_.is_idle()) {
    window_ = std::min(window_ * 2, kDataBytes);
  }
  co_return 0;
}

// Waits until nothing is under way. `wanted`: somebody may be waiting for the replies.
Task<int> NbdConnection::finish(bool wanted) {
  if (!wanted) {
    stream_.hang_up();
  }
  while (free_.size() != kRequests || !writer_.is_idle()) {
    reader_waits_ = true;
    co_await reader_.wait();
    stream_.leave();
  }
  co_return 0;
}

bool NbdConnection::has_room(std::uint64_t bytes) const {
  const bool fits = data_bytes_ == 0 || data_bytes_ + bytes <= window_;
  return !free_.empty() && fits;
}

void NbdConnection::wake_reader() {
  if (std::exchange(reader_waits_, false)) {
    stream_.enter();
    reader_.wake_one(stream_.context());
  }
}

void NbdConnection::replied(NbdRequest& request) {
  data_bytes_ -= request.data_bytes;
  request.data_bytes = 0;
  buffers_.give_back(std::move(request.data));
  request.data = {};
  free_.push_back(&request);
  wake_reader();
}

}  // namespace blk::exports
