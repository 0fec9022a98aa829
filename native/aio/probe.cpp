#include "aio/probe.hpp"

#include <liburing.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "aio/host-features.hpp"
#include "aio/threads-engine.hpp"
#include "aio/uring-engine.hpp"
#include "aio/uring-setup.hpp"

namespace blk::aio {
namespace {

// 0, or what the kernel made of a no-op.
int run_no_op(io_uring& ring) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring);
  if (sqe == nullptr) {
    return -EAGAIN;
  }
  io_uring_prep_nop(sqe);
  int submitted = io_uring_submit_and_wait(&ring, 1);
  if (submitted < 0) {
    return submitted;
  }
  io_uring_cqe* cqe = nullptr;
  int error = io_uring_peek_cqe(&ring, &cqe);
  return error != 0 ? error : cqe->res;
}

int try_ring(std::uint32_t& flags) {
  io_uring ring{};
  int error = setup_ring(ring, RingHome::kPolled, flags);
  if (error != 0) {
    return error;
  }
  error = run_no_op(ring);
  close_ring(ring);
  return error;
}

std::string why_forbidden() {
  int level = 0;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> level;
  if (level > 0) {
    return "the sysctl kernel.io_uring_disabled is " + std::to_string(level) +
           ", which forbids io_uring here (EPERM)";
  }
  return "a seccomp filter forbids io_uring, as container runtimes do by default (EPERM)";
}

std::string why_out_of_memory() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  std::string now = limit.rlim_cur == RLIM_INFINITY
                        ? std::string("unlimited")
                        : std::to_string(limit.rlim_cur / 1024) + " KiB";
  return "no memory for an io_uring: raise the locked-memory limit (ulimit -l), which is " + now +
         " (ENOMEM)";
}

// One sentence on why io_uring cannot be had.
std::string explain(int error) {
  switch (-error) {
    case ENOSYS:
      return "kernel " + kernel_release() +
             " has no io_uring that can be used (5.11 or newer is needed), or a seccomp filter "
             "hides it (ENOSYS)";
    case EPERM:
    case EACCES:
      return why_forbidden();
    case ENOMEM:
      return why_out_of_memory();
    case EMFILE:
    case ENFILE:
      return "no file descriptor is left for an io_uring: raise the limit (ulimit -n)";
    default:
      return std::string("the kernel refuses an io_uring: ") + std::strerror(-error);
  }
}

EngineReport probe() {
  EngineReport report;
  report.error = try_ring(report.flags);
  if (report.error == 0) {
    report.engine = "io_uring";
    report.reason = "a test ring worked";
  } else {
    report.flags = 0;
    report.engine = "threads";
    report.reason = explain(report.error);
  }
  return report;
}

std::unique_ptr<Engine> make_ring_engine(RingHome home, EngineReport& report) {
  report = probe_io_uring();
  if (report.error != 0) {
    return nullptr;
  }
  auto engine = UringEngine::create(home, report.error);
  if (!engine) {
    report = EngineReport{"threads", explain(report.error), 0, report.error};
    return nullptr;
  }
  report.flags = engine->flags();
  return engine;
}

std::unique_ptr<Engine> make_threads_engine(int& error) { return ThreadsEngine::create(error); }

}  // namespace

const EngineReport& probe_io_uring() {
  static const EngineReport report = probe();
  return report;
}

std::unique_ptr<Engine> make_engine(EngineChoice choice, RingHome home, EngineReport& report,
                                    int& error) {
  error = 0;
  if (choice == EngineChoice::kThreads) {
    report = EngineReport{"threads", "it was asked for", 0, 0};
    return make_threads_engine(error);
  }
  auto engine = make_ring_engine(home, report);
  if (engine) {
    return engine;
  }
  if (choice == EngineChoice::kIoUring) {
    error = report.error;
    report.engine.clear();
    return nullptr;
  }
  return make_threads_engine(error);
}

}  // namespace blk::aio
