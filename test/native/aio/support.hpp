// What the tests of aio/ share: files, gates, waiting for other threads.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "aio/clock.hpp"
#include "aio/engine.hpp"
#include "aio/file.hpp"

// Sanitizers have an allocator of their own, which ends the process when asked for too much.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BLK_TEST_SANITIZER_ALLOCATOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BLK_TEST_SANITIZER_ALLOCATOR 1
#endif
#endif
#ifndef BLK_TEST_SANITIZER_ALLOCATOR
#define BLK_TEST_SANITIZER_ALLOCATOR 0
#endif

namespace blk::test {

inline constexpr aio::Nanoseconds kMillisecond = 1'000'000;
inline constexpr aio::Nanoseconds kSecond = 1'000'000'000;

/// Calls of operator new on this thread so far (counted in frame-pool_test.cpp); 0 for ever where a
/// sanitizer owns the allocator.
std::size_t allocations_of_this_thread();

inline aio::Nanoseconds now() { return aio::MonotonicClock().now(); }

/// A nameless file with `content`.
inline aio::File temp_file(std::string_view content = {}) {
  std::string path = (std::filesystem::temp_directory_path() / "aio-test-XXXXXX").string();
  aio::File file;
  file.fd.reset(::mkstemp(path.data()));
  ::unlink(path.c_str());
  if (::pwrite(file.fd.get(), content.data(), content.size(), 0) !=
      static_cast<ssize_t>(content.size())) {
    file.fd.reset();
  }
  return file;
}

inline std::string content_of(const aio::File& file) {
  std::string content(1 << 20, '\0');
  const ssize_t length = ::pread(file.fd.get(), content.data(), content.size(), 0);
  content.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return content;
}

inline bool readable(int fd) {
  pollfd poll{fd, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

/// Other threads need a while: true as soon as `condition` holds, false after 20 s.
template <typename Condition>
bool eventually(Condition condition) {
  const aio::Nanoseconds deadline = now() + 20 * kSecond;
  while (!condition()) {
    if (now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Argument of a kCall that blocks until the test opens the gate.
struct Gate {
  std::atomic<bool> open{false};
  std::atomic<int> entered{0};

  static std::int64_t pass(void* self) {
    auto& gate = *static_cast<Gate*>(self);
    gate.entered.fetch_add(1);
    while (!gate.open.load()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return 7;
  }
};

inline aio::IoOp call_op(std::int64_t (*function)(void*), void* argument) {
  aio::IoOp op;
  op.opcode = aio::IoOpcode::kCall;
  op.call = function;
  op.argument = argument;
  return op;
}

inline aio::IoOp transfer_op(aio::IoOpcode opcode, aio::File& file, const iovec* iov,
                             std::uint32_t count, std::int64_t offset) {
  aio::IoOp op;
  op.opcode = opcode;
  op.file = &file;
  op.iov = iov;
  op.iovcnt = count;
  op.offset = offset;
  return op;
}

}  // namespace blk::test
