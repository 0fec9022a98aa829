// The interface every I/O engine implements: io_uring, threads and sim.
//
//   co_await read(...)            Engine::enqueue      Engine::submit         Engine::reap
//   IoOp in the frame   ------->  engine's queue ----> kernel / worker -----> done list
//                                                                             context calls
//                                                                             IoOp::done
//
// An engine belongs to one AioContext and is called on its home thread only, except wake().
// Partial transfers, EINTR and EAGAIN are reported as they are: the file driver decides.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "aio/clock.hpp"
#include "aio/file.hpp"
#include "aio/list.hpp"
#include "aio/memory.hpp"

namespace blk::aio {

enum class IoOpcode : std::uint8_t {
  kRead,       // preadv(file, iov, offset)
  kWrite,      // pwritev(file, iov, offset)
  kFdatasync,  // fdatasync(file)
  kCall,       // call(argument) on a worker: every other blocking system call
  kAccept,     // accept(file): the descriptor, closed on exec, of a connection that came in
  kReceive,    // recvmsg(file, iov): 1 byte at least, 0 when the peer sends no more
  kSend,       // sendmsg(file, iov): 1 byte at least; no signal when the peer has gone
};
inline constexpr std::size_t kIoOpcodes = 7;

/// It may wait for a peer for ever, so nothing may wait for it; Engine::cancel() ends it.
constexpr bool is_socket_op(IoOpcode opcode) { return opcode >= IoOpcode::kAccept; }

/// One operation. Lives with whoever waits for it, mostly in the frame of a coroutine (IoAwaiter);
/// the engine links it into its queues and stores the result. It must stay put until it was reaped.
struct IoOp {
  IoOp* next = nullptr;
  IoOpcode opcode = IoOpcode::kCall;
  std::uint8_t engine_state = 0;  // for the engine's own use while it holds the op
  bool control = false;           // opens, closes, measures: no request, so sim does not delay it
  bool poll_first = false;  // on a socket: it will probably have to wait, so that is done first
  std::uint32_t iovcnt = 0;
  File* file = nullptr;
  const iovec* iov = nullptr;
  const MemoryRegion* region = nullptr;  // set when iovcnt is 1 and iov lies inside the region
  std::int64_t offset = 0;
  std::int64_t (*call)(void*) = nullptr;
  void* argument = nullptr;       // kSend, kReceive with more than one buffer: the msghdr of iov
  std::int64_t result = 0;        // bytes or value, or negative errno
  void (*done)(IoOp*) = nullptr;  // called by the context that reaped it, in its home
};

/// What an engine has done since it was made; plain numbers, for hostFeatures() and for tests.
struct EngineCounters {
  std::array<std::uint64_t, kIoOpcodes> submitted{};  // by IoOpcode
  std::uint64_t ring_submissions = 0;      // operations that went through the ring itself
  std::uint64_t worker_submissions = 0;    // operations that went to worker threads
  std::uint64_t done_at_once = 0;          // operations done on the spot, by try_now()
  std::uint64_t unregistered_files = 0;    // registration failed: ran with the plain descriptor
  std::uint64_t unregistered_buffers = 0;  // registration failed: ran with the plain address
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual const char* name() const = 0;  // "io_uring", "threads", "sim"

  /// Takes the op. It never completes inside this call. Operations start in FIFO order.
  virtual void enqueue(IoOp* op) = 0;
  /// Carries out what would cost more to hand over, if that needs no waiting: an operation that is
  /// done, as if reaped, or null.
  virtual IoOp* try_now() { return nullptr; }
  /// From now on try_now() also writes: what holds up a write holds up the home.
  virtual void write_in_place() {}
  /// Hands everything enqueued to the kernel or the workers, as far as there is room; the rest
  /// follows as room appears, without another call being needed.
  virtual void submit() = 0;
  /// Something was enqueued that submit() would hand over, or hand over as room appears.
  virtual bool has_unsubmitted() const { return false; }
  /// Moves finished operations to `done` without waiting, and submits what was waiting for room.
  virtual void reap(IntrusiveList<IoOp>& done) = 0;
  /// Blocks until an operation finished, wake() was called, or `deadline` (kNever: no limit)
  /// passed. May return early for no reason. Submits first.
  virtual void wait(Nanoseconds deadline) = 0;
  /// Without a system call: reap() would find something.
  virtual bool has_news() const { return false; }
  /// has_news() tells of everything that is under way.
  virtual bool tells_news() const { return in_flight() == 0; }
  /// Any thread: ends a wait(), and makes poll_fd() readable.
  virtual void wake() = 0;
  /// Readable when reap() may find something or wake() was called; -1 for a virtual home.
  virtual int poll_fd() const = 0;

  /// Operations taken and not yet reaped.
  virtual std::size_t in_flight() const = 0;
  /// Those among them that are on sockets and have not ended.
  virtual std::size_t sockets_in_flight() const { return 0; }
  virtual const EngineCounters& counters() const = 0;

  /// The file is about to be closed, or moves to another engine: forget its registration.
  virtual void forget_file(File& /*file*/) {}
  /// The region is gone: forget its registration.
  virtual void forget_region(const MemoryRegion& /*region*/) {}

  /// Asks an operation on a socket to end at once: with what it has done, or with ECANCELED when it
  /// has done nothing. One that has ended already is left alone.
  virtual void cancel(IoOp* /*op*/) {}
  /// From now on: operations not yet started finish with ECANCELED, and so does whatever is
  /// enqueued later; started ones are asked to stop. Used at teardown only.
  virtual void cancel_all() = 0;
  /// After cancel_all(), and after everything reaped was resumed: true when nothing of this engine
  /// can touch memory any more, so it may be destroyed; false at `deadline` (monotonic): it must
  /// then be kept alive for ever, with all memory its operations refer to.
  virtual bool stop(Nanoseconds deadline) = 0;
};

/// `co_await IoAwaiter(engine, ...)`: the op is part of the awaiting frame, so no allocation.
class IoAwaiter : public IoOp {
 public:
  IoAwaiter(Engine& engine, IoOpcode code, File& target, const iovec* vector, std::uint32_t count,
            std::int64_t position, const MemoryRegion* memory)
      : engine_(engine) {
    opcode = code;
    file = &target;
    iov = vector;
    iovcnt = count;
    offset = position;
    region = memory;
  }
  IoAwaiter(Engine& engine, IoOpcode code, File& target) : engine_(engine) {
    opcode = code;
    file = &target;
  }
  IoAwaiter(Engine& engine, std::int64_t (*function)(void*), void* data) : engine_(engine) {
    opcode = IoOpcode::kCall;
    call = function;
    argument = data;
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    done = [](IoOp* op) { static_cast<IoAwaiter*>(op)->caller_.resume(); };
    engine_.enqueue(this);
  }
  std::int64_t await_resume() const noexcept { return result; }

 private:
  Engine& engine_;
  std::coroutine_handle<> caller_;
};

}  // namespace blk::aio
