// The replies of one connection: a queue, and one coroutine that sends it, as many replies with a
// call as there are. Home thread of the stream only.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>

#include "aio/runnable.hpp"
#include "aio/task.hpp"
#include "exports/nbd-request.hpp"
#include "exports/nbd-stream.hpp"

namespace blk::exports {

/// Whose requests are answered.
class NbdReplyOwner {
 public:
  virtual ~NbdReplyOwner() = default;
  /// The reply was sent, or never will be.
  virtual void replied(NbdRequest& request) = 0;
  /// There is nothing to send any more.
  virtual void idle() = 0;
};

class NbdWriter : public aio::Runnable {
 public:
  NbdWriter(NbdStream& stream, NbdReplyOwner& owner);
  NbdWriter(const NbdWriter&) = delete;
  NbdWriter& operator=(const NbdWriter&) = delete;

  /// Its reply is made. Sent later in this turn, with others of it.
  void queue(NbdRequest& request);
  /// Nothing is queued and no coroutine of this is under way.
  bool is_idle() const { return !active_; }

 private:
  static constexpr std::size_t kReplies = 16;

  aio::Detached send_queue();
  std::uint32_t gather();
  void sent(std::size_t bytes);
  void drop();
  void take_first();

  NbdStream& stream_;
  NbdReplyOwner& owner_;
  NbdRequest* first_ = nullptr;
  NbdRequest* last_ = nullptr;
  std::size_t first_sent_ = 0;  // bytes of the first reply that are gone
  bool active_ = false;
  std::array<iovec, 2 * kReplies> iov_{};
};

}  // namespace blk::exports
