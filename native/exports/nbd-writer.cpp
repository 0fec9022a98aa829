#include "exports/nbd-writer.hpp"

namespace blk::exports {

NbdWriter::NbdWriter(NbdStream& stream, NbdReplyOwner& owner)
    : aio::Runnable([](aio::Runnable* self) { static_cast<NbdWriter*>(self)->send_queue(); }),
      stream_(stream),
      owner_(owner) {}

void NbdWriter::queue(NbdRequest& request) {
  request.next_reply = nullptr;
  (last_ != nullptr ? last_->next_reply : first_) = &request;
  last_ = &request;
  if (!active_) {
    active_ = true;
    stream_.enter();
    stream_.context().schedule(this);
  }
}

aio::Detached NbdWriter::send_queue() {
  while (first_ != nullptr) {
    const std::uint32_t count = gather();
    const std::int64_t bytes = co_await stream_.send(iov_.data(), count);
    if (bytes < 0) {
      stream_.hang_up();
      drop();
    } else {
      sent(static_cast<std::size_t>(bytes));
    }
  }
  active_ = false;
  owner_.idle();
  stream_.leave();
}

// What is left of the first replies, heads and bodies.
std::uint32_t NbdWriter::gather() {
  std::uint32_t count = 0;
  std::size_t skip = first_sent_;
  for (NbdRequest* reply = first_; reply != nullptr && count + 2 <= iov_.size();
       reply = reply->next_reply) {
    for (const iovec& part : {iovec{reply->head.data(), reply->head_bytes}, reply->body}) {
      if (skip >= part.iov_len) {
        skip -= part.iov_len;
        continue;
      }
      iov_[count++] = {static_cast<std::byte*>(part.iov_base) + skip, part.iov_len - skip};
      skip = 0;
    }
  }
  return count;
}

void NbdWriter::sent(std::size_t bytes) {
  first_sent_ += bytes;
  while (first_ != nullptr && first_sent_ >= first_->head_bytes + first_->body.iov_len) {
    first_sent_ -= first_->head_bytes + first_->body.iov_len;
    take_first();
  }
}

void NbdWriter::drop() {
  first_sent_ = 0;
  while (first_ != nullptr) {
    take_first();
  }
}

void NbdWriter::take_first() {
  NbdRequest& reply = *first_;
  first_ = reply.next_reply;
  if (first_ == nullptr) {
    last_ = nullptr;
  }
  owner_.replied(reply);
}

}  // namespace blk::exports
