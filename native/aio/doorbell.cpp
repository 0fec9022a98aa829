#include "aio/doorbell.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace blk::aio {

int Doorbell::open() {
  fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return fd_ ? 0 : -errno;
}

void Doorbell::ring() {
  if (rung_.exchange(true, std::memory_order_acq_rel)) {
    return;
  }
  const std::uint64_t one = 1;
  while (::write(fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

// A producer first sets rung_ and then writes. If the sleeper looks in between, that write arrives
// after the answer and would leave the descriptor readable with nobody to read it. So the sleeper
// counts what is still owed (an eventfd adds up the writes) and reads until it has come, which
// also means that answering costs no system call when nobody rang.
void Doorbell::answer(bool drain) {
  if (drain && (rung_.load(std::memory_order_relaxed) || owed_ != 0)) {
    std::uint64_t writes = 0;
    if (::read(fd_.get(), &writes, sizeof(writes)) == sizeof(writes)) {
      owed_ -= static_cast<std::int64_t>(writes);
    }
  }
  // After the read, never before it: a ring that comes now must find the flag down or its write
  // unread. Acquire: what the producer left before it rang is visible from here on.
  if (rung_.exchange(false, std::memory_order_acq_rel)) {
    ++owed_;
  }
}

}  // namespace blk::aio
