#include "aio/uring-setup.hpp"

#include <cerrno>

namespace blk::aio {
namespace {

// What each home asks for.
//   COOP_TASKRUN   5.19  completions are posted at the next system call instead of by interrupting
//                        the thread; Node's loop makes one when it polls
//   DEFER_TASKRUN  6.1   completions are posted only when the thread waits in the ring: cheapest,
//                        but whoever merely polls the ring is never woken, so not under Node's loop
//   TASKRUN_FLAG   5.19  tells in shared memory that there is such work: no call just to look
//   SINGLE_ISSUER  6.0   one thread submits: fewer locks
//   SUBMIT_ALL     5.18  a bad operation does not stop its batch
constexpr std::uint32_t kPolledFlags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                                       IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL;
constexpr std::uint32_t kOwnThreadFlags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                                          IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL;

// The next smaller set. Newest first, so that a kernel loses only what it does not know. Without
// DEFER_TASKRUN an own thread is content with COOP_TASKRUN; TASKRUN_FLAG needs one of the two, and
// so goes before the last of them.
std::uint32_t peel(std::uint32_t flags) {
  if ((flags & IORING_SETUP_DEFER_TASKRUN) != 0) {
    return (flags & ~IORING_SETUP_DEFER_TASKRUN) | IORING_SETUP_COOP_TASKRUN;
  }
  for (std::uint32_t flag : {IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_TASKRUN_FLAG,
                             IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SUBMIT_ALL}) {
    if ((flags & flag) != 0) {
      return flags & ~flag;
    }
  }
  return 0;
}

// liburing maps and unmaps without the C library, so ThreadSanitizer does not see that memory of a
// ring which one thread gave back belongs to the next one that gets it.
#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

char ring_memory = 0;

void take_memory() { __tsan_acquire(&ring_memory); }
void give_memory_back() { __tsan_release(&ring_memory); }
#else
void take_memory() {}
void give_memory_back() {}
#endif

}  // namespace

void close_ring(io_uring& ring) {
  give_memory_back();
  io_uring_queue_exit(&ring);
}

int setup_ring(io_uring& ring, RingHome home, std::uint32_t& flags) {
  // NODROP (5.5): completions are never lost. EXT_ARG (5.11): a wait takes a timeout.
  constexpr std::uint32_t kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  flags = home == RingHome::kPolled ? kPolledFlags : kOwnThreadFlags;
  for (;;) {
    io_uring_params params{};
    params.flags = flags;
    int error = io_uring_queue_init_params(kRingEntries, &ring, &params);
    take_memory();
    if (error == 0 && (params.features & kNeeded) != kNeeded) {
      close_ring(ring);
      return -ENOSYS;
    }
    if (error != -EINVAL || flags == 0) {
      return error;
    }
    flags = peel(flags);
  }
}

}  // namespace blk::aio
