#include "aio/uring-engine.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aio/io-thread.hpp"
#include "aio/uring-setup.hpp"
#include "child-process.hpp"

using namespace blk::aio;
using blk::test::forbid;
using blk::test::in_child;
using blk::test::run_in_child;

namespace {

constexpr Nanoseconds kMs = 1'000'000;
constexpr Nanoseconds kPatience = 20'000 * kMs;

Nanoseconds now() { return MonotonicClock().now(); }

bool have_ring() {
  if (probe_io_uring().error == 0) {
    return true;
  }
  MESSAGE("skipped: " << probe_io_uring().reason);
  return false;
}

// Readable right now?
bool readable(int fd, int timeout_ms = 0) {
  pollfd source{fd, POLLIN, 0};
  return poll(&source, 1, timeout_ms) == 1;
}

// An engine as its home drives it: a polled one sleeps in poll() and never enters the ring to wait,
// an own thread sleeps in wait().
class Home {
 public:
  explicit Home(RingHome kind) : kind_(kind) {
    int error = 0;
    engine_ = UringEngine::create(kind, error);
    REQUIRE(engine_ != nullptr);
    REQUIRE(error == 0);
  }
  ~Home() {
    if (engine_ != nullptr) {
      engine_->cancel_all();
      settle();
      CHECK(engine_->stop(now() + kPatience));
    }
  }

  UringEngine* operator->() { return engine_.get(); }
  std::unique_ptr<UringEngine>& owner() { return engine_; }

  void sleep(Nanoseconds deadline) {
    if (kind_ == RingHome::kOwnThread) {
      engine_->wait(deadline);
      return;
    }
    auto left = std::max<Nanoseconds>(0, deadline - now());
    readable(engine_->poll_fd(), static_cast<int>((left + kMs - 1) / kMs));
  }

  // Runs until `count` more operations are done; their pointers in order of completion.
  std::vector<IoOp*> run(std::size_t count) {
    std::vector<IoOp*> finished;
    IntrusiveList<IoOp> done;
    Nanoseconds deadline = now() + kPatience;
    engine_->submit();
    for (;;) {
      engine_->reap(done);
      while (IoOp* op = done.pop_front()) {
        finished.push_back(op);
      }
      if (finished.size() >= count) {
        return finished;
      }
      if (now() >= deadline) {
        FAIL_CHECK("only " << finished.size() << " of " << count << " operations finished");
        return finished;
      }
      sleep(deadline);
    }
  }
  void settle() { run(engine_->in_flight()); }

  std::int64_t run_one(IoOp& op) {
    op.result = INT64_MIN;
    engine_->enqueue(&op);
    run(1);
    return op.result;
  }

 private:
  RingHome kind_;
  std::unique_ptr<UringEngine> engine_;
};

template <typename Body>
void on_both_homes(Body body) {
  if (!have_ring()) {
    return;
  }
  for (RingHome home : {RingHome::kPolled, RingHome::kOwnThread}) {
    CAPTURE(static_cast<int>(home));
    body(home);
  }
}

// Deleted at once; the descriptor keeps it. On the working directory's file system, since /tmp is
// often a tmpfs.
int scratch_fd() {
  char name[] = "./uring-test-XXXXXX";
  int fd = mkostemp(name, O_CLOEXEC);
  REQUIRE(fd >= 0);
  unlink(name);
  return fd;
}

// The same file once more, past the page cache; -1 where the file system cannot.
int reopen_direct(int fd) {
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  int direct = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (direct < 0) {
    MESSAGE("skipped: no O_DIRECT on this file system");
  }
  return direct;
}

std::vector<char> pattern(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<char> data(bytes);
  for (char& c : data) {
    c = static_cast<char>(random());
  }
  return data;
}

File file_of(int fd, bool direct = false) {
  File file;
  file.fd = UniqueFd(fd);
  file.direct = direct;
  return file;
}

File file_with(const std::vector<char>& content) {
  int fd = scratch_fd();
  REQUIRE(pwrite(fd, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
  return file_of(fd);
}

struct Pipe {
  File read_end;
  File write_end;
  Pipe() {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    read_end = file_of(ends[0]);
    write_end = file_of(ends[1]);
  }
};

// Still reachable, so that no leak checker minds.
void keep_for_ever(std::unique_ptr<UringEngine>& engine) {
  static auto* kept = new std::vector<UringEngine*>;
  kept->push_back(engine.release());
}

// An operation with its iovec.
struct Transfer : IoOp {
  iovec vector{};
  Transfer() = default;
  Transfer(IoOpcode code, File& target, void* data, std::size_t bytes, std::int64_t position = 0,
           const MemoryRegion* memory = nullptr) {
    set(code, target, data, bytes, position, memory);
  }
  Transfer(const Transfer&) = delete;
  void set(IoOpcode code, File& target, void* data, std::size_t bytes, std::int64_t position = 0,
           const MemoryRegion* memory = nullptr) {
    opcode = code;
    file = &target;
    vector = {data, bytes};
    iov = &vector;
    iovcnt = 1;
    offset = position;
    region = memory;
    result = INT64_MIN;
  }
};

struct Call : IoOp {
  explicit Call(std::int64_t (*function)(void*), void* data = nullptr) {
    opcode = IoOpcode::kCall;
    call = function;
    argument = data;
  }
};

std::int64_t answer_42(void*) { return 42; }
std::int64_t sleep_300ms(void*) {
  usleep(300'000);
  return 0;
}

constexpr const char* kMemlockChild = "aio/uring child: little locked memory";
constexpr const char* kAgainChild = "aio/uring child: the kernel has no memory for a submission";
constexpr const char* kStuckChild = "aio/uring child: submissions never succeed";
constexpr const char* kForbiddenChild = "aio/uring child: submissions are forbidden";
constexpr const char* kDoorbellChild = "aio/uring child: no registration at all";

}  // namespace

TEST_CASE("PLUG-4: a thousand queued operations start in order through a ring of 128") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Pipe pipe;
    pipe.write_end.direct = true;  // straight to the ring
    std::vector<std::uint32_t> numbers(1000);
    std::vector<Transfer> ops(numbers.size());
    for (std::uint32_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = i;
      ops[i].set(IoOpcode::kWrite, pipe.write_end, &numbers[i], sizeof(numbers[i]));
      home->enqueue(&ops[i]);
    }
    CHECK(home->in_flight() == 1000);
    CHECK(home.run(1000).size() == 1000);
    CHECK(home->in_flight() == 0);
    CHECK(home->counters().ring_submissions == 1000);
    CHECK(home->counters().submitted[static_cast<std::size_t>(IoOpcode::kWrite)] == 1000);
    std::vector<std::uint32_t> seen(1000);
    REQUIRE(read(pipe.read_end.fd.get(), seen.data(), 4000) == 4000);
    CHECK(seen == numbers);
    home->forget_file(pipe.write_end);
  });
}

TEST_CASE("PLUG-4: at most 128 are in the ring, the rest follows as they finish") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Pipe pipe;
    std::vector<char> bytes(300);
    std::vector<Transfer> ops(bytes.size());
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].set(IoOpcode::kRead, pipe.read_end, &bytes[i], 1);
      home->enqueue(&ops[i]);
    }
    home->submit();
    CHECK(home->counters().ring_submissions == kRingEntries);
    IntrusiveList<IoOp> done;
    home->reap(done);
    CHECK(done.empty());
    std::vector<char> data = pattern(bytes.size(), 1);
    REQUIRE(write(pipe.write_end.fd.get(), data.data(), data.size()) == 300);
    CHECK(home.run(300).size() == 300);
    std::sort(bytes.begin(), bytes.end());
    std::sort(data.begin(), data.end());
    CHECK(bytes == data);
  });
}

TEST_CASE("PLUG-4: a full ring's worth is submitted without being asked") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    File zero = file_of(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    char byte = 1;
    std::vector<Transfer> ops(kRingEntries);
    for (auto& op : ops) {
      CHECK(home->counters().ring_submissions == 0);
      op.set(IoOpcode::kRead, zero, &byte, 1);
      home->enqueue(&op);
    }
    CHECK(home->counters().ring_submissions == kRingEntries);
    CHECK(home.run(kRingEntries).size() == kRingEntries);
  });
}

TEST_CASE("aio/uring: nothing happens before submit, nothing completes inside enqueue") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Pipe pipe;
    pipe.write_end.direct = true;  // straight to the ring
    char byte = 'x';
    Transfer op(IoOpcode::kWrite, pipe.write_end, &byte, 1);
    home->enqueue(&op);
    CHECK(!readable(pipe.read_end.fd.get()));
    CHECK(home->in_flight() == 1);
    home->submit();
    home.run(1);
    CHECK(op.result == 1);
    CHECK(readable(pipe.read_end.fd.get()));
  });
}

// O_DIRECT completions come from an interrupt, long after the submission: what a warm page cache
// hides (a polled ring with DEFER_TASKRUN would sleep for ever here).
TEST_CASE("aio/uring: O_DIRECT reads and writes, more than the ring holds") {
  static constexpr std::size_t kBlock = 4096;
  static constexpr std::size_t kBlocks = 512;
  on_both_homes([](RingHome kind) {
    File buffered = file_of(scratch_fd());
    File file = file_of(reopen_direct(buffered.fd.get()), true);
    if (!file.fd) {
      return;
    }
    Home home(kind);
    auto region = MemoryRegion::allocate(kBlock * kBlocks);
    REQUIRE(region != nullptr);
    std::vector<char> data = pattern(kBlock * kBlocks, 2);
    std::memcpy(region->base(), data.data(), data.size());
    std::vector<Transfer> ops(kBlocks);
    auto all = [&](IoOpcode code) {
      for (std::size_t i = 0; i < kBlocks; ++i) {
        ops[i].set(code, file, region->base() + i * kBlock, kBlock,
                   static_cast<std::int64_t>(i * kBlock), region.get());
        home->enqueue(&ops[i]);
      }
      CHECK(home.run(kBlocks).size() == kBlocks);
      return std::all_of(ops.begin(), ops.end(),
                         [](const Transfer& op) { return op.result == kBlock; });
    };
    CHECK(all(IoOpcode::kWrite));
    std::memset(region->base(), 0, data.size());
    CHECK(all(IoOpcode::kRead));
    CHECK(std::memcmp(region->base(), data.data(), data.size()) == 0);
    CHECK(home->counters().ring_submissions == 2 * kBlocks);
    CHECK(home->counters().worker_submissions == 0);
    home->forget_file(file);
    home->forget_region(*region);
  });
}

TEST_CASE("aio/uring: one O_DIRECT read at a time wakes its home") {
  on_both_homes([](RingHome kind) {
    std::vector<char> data = pattern(64 * 4096, 3);
    File writer = file_with(data);
    REQUIRE(fdatasync(writer.fd.get()) == 0);
    File file = file_of(reopen_direct(writer.fd.get()), true);
    if (!file.fd) {
      return;
    }
    Home home(kind);
    auto region = MemoryRegion::allocate(4096);
    for (std::size_t i = 0; i < 64; ++i) {
      Transfer op(IoOpcode::kRead, file, region->base(), 4096, static_cast<std::int64_t>(i * 4096),
                  region.get());
      REQUIRE(home.run_one(op) == 4096);
      CHECK(std::memcmp(region->base(), data.data() + i * 4096, 4096) == 0);
    }
  });
}

TEST_CASE("aio/uring: reads of one buffer, of many, of none; short at the end of the file") {
  on_both_homes([](RingHome kind) {
    std::vector<char> data = pattern(300, 4);
    File file = file_with(data);
    Home home(kind);
    std::vector<char> buffer(512);

    Transfer whole(IoOpcode::kRead, file, buffer.data(), 512);
    CHECK(home.run_one(whole) == 300);
    CHECK(std::equal(data.begin(), data.end(), buffer.begin()));

    Transfer beyond(IoOpcode::kRead, file, buffer.data(), 512, 300);
    CHECK(home.run_one(beyond) == 0);

    iovec parts[3] = {{buffer.data(), 10}, {buffer.data() + 100, 0}, {buffer.data() + 200, 300}};
    IoOp vectored;
    vectored.opcode = IoOpcode::kRead;
    vectored.file = &file;
    vectored.iov = parts;
    vectored.iovcnt = 3;
    vectored.offset = 50;
    CHECK(home.run_one(vectored) == 250);
    CHECK(std::equal(data.begin() + 50, data.begin() + 60, buffer.begin()));
    CHECK(std::equal(data.begin() + 60, data.end(), buffer.begin() + 200));

    vectored.iovcnt = 0;
    CHECK(home.run_one(vectored) == 0);

    // To a ring, offset -1 would mean the descriptor's own position.
    for (std::int64_t offset : {-1, -512}) {
      Transfer negative(IoOpcode::kRead, file, buffer.data(), 10, offset);
      CHECK(home.run_one(negative) == -EINVAL);
    }

    File closed = file_of(-1);
    Transfer bad(IoOpcode::kRead, closed, buffer.data(), 1);
    CHECK(home.run_one(bad) == -EBADF);
  });
}

TEST_CASE("PLUG-14: 64 reads past the end of a short file at once all finish") {
  on_both_homes([](RingHome kind) {
    File file = file_with(pattern(300, 5));
    Home home(kind);
    std::vector<std::vector<char>> buffers(64, std::vector<char>(512));
    std::vector<Transfer> ops(64);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].set(IoOpcode::kRead, file, buffers[i].data(), 512);
      home->enqueue(&ops[i]);
    }
    CHECK(home.run(64).size() == 64);
    for (auto& op : ops) {
      CHECK(op.result == 300);
    }
  });
}

TEST_CASE("aio/uring: more vectors and more bytes than the kernel takes are short transfers") {
  on_both_homes([](RingHome kind) {
    std::vector<char> data = pattern(3000, 6);
    File file = file_with(data);
    Home home(kind);
    std::vector<char> buffer(2000);
    std::vector<iovec> parts;
    for (char& byte : buffer) {
      parts.push_back({&byte, 1});
    }
    IoOp many;
    many.opcode = IoOpcode::kRead;
    many.file = &file;
    many.iov = parts.data();
    many.iovcnt = 2000;
    CHECK(home.run_one(many) == IOV_MAX);
    CHECK(std::equal(buffer.begin(), buffer.begin() + IOV_MAX, data.begin()));

    // 2^32 + 10 bytes: the low 32 bits alone would read 10.
    const std::size_t huge = (std::size_t{1} << 32) + 10;
    void* memory = mmap(nullptr, huge, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      MESSAGE("skipped: no address space for 4 GiB");
      return;
    }
    Transfer large(IoOpcode::kRead, file, memory, huge);
    CHECK(home.run_one(large) == 3000);
    munmap(memory, huge);
  });
}

// What the file system does with RWF_NOWAIT decides: ext4 refuses it (workers), others take it.
TEST_CASE("aio/uring: the first buffered write finds out how a file is written") {
  on_both_homes([](RingHome kind) {
    for (bool in_memory : {false, true}) {
      CAPTURE(in_memory);
      int fd = in_memory ? memfd_create("uring-test", MFD_CLOEXEC) : scratch_fd();
      REQUIRE(fd >= 0);
      std::vector<char> data = pattern(8192, 7);
      REQUIRE(pwrite(fd, data.data(), 8192, 0) == 8192);
      iovec probe{data.data(), 4096};
      const bool refuses = pwritev2(fd, &probe, 1, 0, RWF_NOWAIT) < 0 && errno != EAGAIN;

      File file = file_of(fd);
      Home home(kind);
      data = pattern(40 * 4096, 8);
      std::vector<Transfer> ops(40);
      for (std::size_t i = 0; i < ops.size(); ++i) {
        ops[i].set(IoOpcode::kWrite, file, data.data() + i * 4096, 4096,
                   static_cast<std::int64_t>(i * 4096));
      }
      CHECK(home.run_one(ops[0]) == 4096);
      CHECK(file.ring_writes == (refuses ? RingWrites::kPunted : RingWrites::kAsync));
      CHECK(home->counters().ring_submissions == 0);
      CHECK(home->counters().worker_submissions == 1);
      for (std::size_t i = 1; i < ops.size(); ++i) {
        home->enqueue(&ops[i]);
      }
      home.run(39);
      for (auto& op : ops) {
        CHECK(op.result == 4096);
      }
      CHECK(home->counters().ring_submissions == (refuses ? 0 : 39));
      CHECK(home->counters().worker_submissions == (refuses ? 40 : 1));
      CHECK(home->counters().submitted[static_cast<std::size_t>(IoOpcode::kWrite)] == 40);
      std::vector<char> seen(data.size());
      REQUIRE(pread(fd, seen.data(), seen.size(), 0) == static_cast<ssize_t>(seen.size()));
      CHECK(seen == data);
      home->forget_file(file);
    }
  });
}

// Where the file system refuses RWF_NOWAIT; elsewhere all of them go to the ring.
TEST_CASE("aio/uring: a buffered write that nothing else waits beside is the kernel's own") {
  on_both_homes([](RingHome kind) {
    File file = file_with(pattern(4096, 11));
    Home home(kind);
    std::vector<char> data = pattern(4 * 4096, 12);
    std::vector<Transfer> ops(4);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].set(IoOpcode::kWrite, file, data.data() + i * 4096, 4096,
                 static_cast<std::int64_t>(i * 4096));
    }
    CHECK(home.run_one(ops[0]) == 4096);
    if (file.ring_writes != RingWrites::kPunted) {
      MESSAGE("skipped: buffered writes here do not block");
      return;
    }
    for (int writes = 0; writes < 3; ++writes) {
      CHECK(home.run_one(ops[0]) == 4096);
    }
    CHECK(home->counters().ring_submissions == 0);
    CHECK(home.run_one(ops[0]) == 4096);
    CHECK(home->counters().ring_submissions == 1);
    CHECK(home->counters().worker_submissions == 4);
    // A read does not count, whichever comes first.
    std::vector<char> seen(4096);
    Transfer read(IoOpcode::kRead, file, seen.data(), seen.size());
    home->enqueue(&ops[1]);
    home->enqueue(&read);
    home.run(2);
    CHECK(home->counters().ring_submissions == 3);
    // One comes while another is under way; two at once; one beside a flush: workers.
    home->enqueue(&ops[0]);
    home->submit();
    home->enqueue(&ops[3]);
    home.run(2);
    CHECK(home->counters().ring_submissions == 4);
    CHECK(home->counters().worker_submissions == 5);
    home->enqueue(&ops[1]);
    home->enqueue(&ops[2]);
    home.run(2);
    IoOp flush;
    flush.opcode = IoOpcode::kFdatasync;
    flush.file = &file;
    home->enqueue(&flush);
    home->enqueue(&ops[3]);
    home.run(2);
    CHECK(home->counters().ring_submissions == 4);
    CHECK(home->counters().worker_submissions == 9);
    for (auto& op : ops) {
      CHECK(op.result == 4096);
    }
    seen.resize(data.size());
    REQUIRE(pread(file.fd.get(), seen.data(), seen.size(), 0) == static_cast<ssize_t>(seen.size()));
    CHECK(seen == data);
    home->forget_file(file);
  });
}

TEST_CASE("aio/uring: many first writes at once each find their way") {
  on_both_homes([](RingHome kind) {
    File file = file_of(scratch_fd());
    Home home(kind);
    std::vector<char> data = pattern(500 * 512, 9);
    std::vector<Transfer> ops(500);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].set(IoOpcode::kWrite, file, data.data() + i * 512, 512,
                 static_cast<std::int64_t>(i * 512));
      home->enqueue(&ops[i]);
    }
    CHECK(home.run(500).size() == 500);
    CHECK(file.ring_writes != RingWrites::kUnknown);
    std::vector<char> seen(data.size());
    REQUIRE(pread(file.fd.get(), seen.data(), seen.size(), 0) == static_cast<ssize_t>(seen.size()));
    CHECK(seen == data);
  });
}

TEST_CASE("aio/uring: an honest error of a first write is reported and teaches nothing") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    File file = file_of(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    char byte = 0;
    Transfer op(IoOpcode::kWrite, file, &byte, 1);
    CHECK(home.run_one(op) == -EBADF);
    CHECK(file.ring_writes == RingWrites::kUnknown);
    File scratch = file_of(scratch_fd());
    op.set(IoOpcode::kWrite, scratch, &byte, 1, -5);
    CHECK(home.run_one(op) == -EINVAL);
    CHECK(scratch.ring_writes == RingWrites::kUnknown);
  });
}

TEST_CASE("PLUG-12: flushes and calls run on workers and wake the ring's home") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    File file = file_with(pattern(4096, 10));
    IoOp flush;
    flush.opcode = IoOpcode::kFdatasync;
    flush.file = &file;
    for (int i = 0; i < 20; ++i) {
      CHECK(home.run_one(flush) == 0);
      Call call(answer_42);
      CHECK(home.run_one(call) == 42);
    }
    Pipe pipe;
    flush.file = &pipe.read_end;
    CHECK(home.run_one(flush) == -EINVAL);
    CHECK(home->counters().worker_submissions == 41);
    CHECK(home->counters().ring_submissions == 0);
    CHECK(home->counters().submitted[static_cast<std::size_t>(IoOpcode::kFdatasync)] == 21);
    CHECK(home->counters().submitted[static_cast<std::size_t>(IoOpcode::kCall)] == 20);
  });
}

TEST_CASE("aio/uring: a blocked worker holds up neither the ring nor other workers") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    File file = file_with(pattern(512, 11));
    char buffer[512];
    Call slow(sleep_300ms);
    Call quick(answer_42);
    Transfer read(IoOpcode::kRead, file, buffer, sizeof(buffer));
    for (IoOp* op : std::initializer_list<IoOp*>{&slow, &quick, &read}) {
      home->enqueue(op);
    }
    auto finished = home.run(3);
    REQUIRE(finished.size() == 3);
    CHECK(finished[2] == &slow);
  });
}

TEST_CASE("aio/uring: wake() from another thread ends a sleep, every time") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    std::atomic<int> rung{0};
    int seen = 0;
    std::thread waker([&] {
      for (int i = 0; i < 200; ++i) {
        rung.fetch_add(1);
        home->wake();
        if (i % 3 == 0) {
          usleep(200);
        }
      }
    });
    IntrusiveList<IoOp> done;
    Nanoseconds deadline = now() + kPatience;
    while (seen < 200 && now() < deadline) {
      home.sleep(deadline);
      home->reap(done);
      seen = rung.load();
    }
    waker.join();
    CHECK(seen == 200);
    CHECK(now() < deadline);
    CHECK(done.empty());
  });
}

TEST_CASE("aio/uring: a wake-up or completion from before makes the next wait return at once") {
  if (!have_ring()) {
    return;
  }
  Home home(RingHome::kOwnThread);
  IntrusiveList<IoOp> done;
  Nanoseconds start = now();
  home->wake();
  home->wake();
  home->wait(start + kPatience);
  home->reap(done);
  CHECK(now() - start < kPatience / 2);
  // Answered: the next one sleeps to its deadline.
  start = now();
  home->wait(start + 50 * kMs);
  home->reap(done);
  home->wait(start + 50 * kMs);
  CHECK(now() - start >= 50 * kMs);

  File file = file_with(pattern(512, 12));
  char buffer[512];
  Transfer op(IoOpcode::kRead, file, buffer, sizeof(buffer));
  home->enqueue(&op);
  home->submit();
  start = now();
  home->wait(start + kPatience);
  home->wait(kNever);  // still there: nobody reaped it
  CHECK(now() - start < kPatience / 2);
  home.run(1);
  CHECK(op.result == 512);
}

TEST_CASE("aio/uring: the ring's descriptor is readable when, and only when, something is there") {
  if (!have_ring()) {
    return;
  }
  Home home(RingHome::kPolled);
  IntrusiveList<IoOp> done;
  CHECK(!readable(home->poll_fd()));
  home->wake();
  CHECK(readable(home->poll_fd(), 1000));
  home->reap(done);
  CHECK(!readable(home->poll_fd()));
  CHECK(done.empty());
}

TEST_CASE("aio/uring: an idle engine never wakes up") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Call call(answer_42);
    CHECK(home.run_one(call) == 42);  // so that there is an idle worker as well
    IntrusiveList<IoOp> done;
    home->reap(done);
    usleep(20'000);
    rusage before{};
    rusage after{};
    getrusage(RUSAGE_SELF, &before);
    const Nanoseconds end = now() + 300 * kMs;
    int sleeps = 0;
    while (now() < end) {
      home.sleep(end);
      home->reap(done);
      ++sleeps;
    }
    getrusage(RUSAGE_SELF, &after);
    CHECK(sleeps <= 2);
    // Threads of the sanitizers sleep in this process, too; the engine itself sleeps once.
    CHECK(after.ru_nvcsw - before.ru_nvcsw <= 20);
  });
}

TEST_CASE("aio/uring: a forgotten file's slot serves the next one") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    std::vector<char> first_data = pattern(512, 13);
    std::vector<char> second_data = pattern(512, 14);
    std::vector<char> buffer(512);
    File first = file_with(first_data);
    File second = file_with(second_data);
    Transfer op(IoOpcode::kRead, first, buffer.data(), 512);
    CHECK(home.run_one(op) == 512);
    CHECK(buffer == first_data);
    const std::int32_t slot = first.ring_slot;
    CHECK(slot >= 0);
    home->forget_file(first);
    CHECK(first.ring_slot == -1);
    op.set(IoOpcode::kRead, second, buffer.data(), 512);
    CHECK(home.run_one(op) == 512);
    CHECK(buffer == second_data);
    CHECK(second.ring_slot == slot);
    // Far more files than slots, one after the other; and the first one once more.
    for (int i = 0; i < 1500; ++i) {
      op.set(IoOpcode::kRead, first, buffer.data(), 512);
      REQUIRE(home.run_one(op) == 512);
      home->forget_file(first);
    }
    CHECK(buffer == first_data);
    CHECK(home->counters().unregistered_files == 0);
    home->forget_file(second);
    home->forget_file(second);  // nothing left to forget
  });
}

TEST_CASE("aio/uring: a full file table leaves the rest unregistered, counted and working") {
  on_both_homes([](RingHome kind) {
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlimit low = limit;
    low.rlim_cur = 200;  // the table is no larger than this
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    Home home(kind);
    rlimit untouched{};
    getrlimit(RLIMIT_NOFILE, &untouched);
    CHECK(untouched.rlim_cur == 200);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);

    std::vector<char> data = pattern(512, 15);
    File source = file_with(data);
    std::vector<File> files(210);
    std::vector<char> buffer(512);
    std::size_t unregistered = 0;
    for (auto& file : files) {
      file.fd = UniqueFd(dup(source.fd.get()));
      Transfer op(IoOpcode::kRead, file, buffer.data(), 512);
      REQUIRE(home.run_one(op) == 512);
      unregistered += file.ring_slot < 0;
    }
    CHECK(unregistered == 10);
    CHECK(home->counters().unregistered_files == 10);
    // A slot that becomes free is taken by the next who asks.
    home->forget_file(files[0]);
    Transfer op(IoOpcode::kRead, files[205], buffer.data(), 512);
    CHECK(home.run_one(op) == 512);
    CHECK(files[205].ring_slot >= 0);
    CHECK(home->counters().unregistered_files == 10);
  });
}

TEST_CASE("aio/uring: regions are registered once, forgotten, and limited") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    std::vector<char> data = pattern(4096, 16);
    File file = file_with(data);
    auto read_into = [&](const MemoryRegion& region, std::size_t at) {
      Transfer op(IoOpcode::kRead, file, region.base() + at, 4096, 0, &region);
      REQUIRE(home.run_one(op) == 4096);
      CHECK(std::memcmp(region.base() + at, data.data(), 4096) == 0);
    };
    // One after the other: more than the table holds.
    for (unsigned i = 0; i < UringRegistry::kRegions + 10; ++i) {
      auto region = MemoryRegion::allocate(8192);
      read_into(*region, 0);
      read_into(*region, 4096);
      home->forget_region(*region);
      home->forget_region(*region);
    }
    CHECK(home->counters().unregistered_buffers == 0);
    // All at once: ten too many, each counted once an operation.
    std::vector<std::shared_ptr<MemoryRegion>> regions;
    for (unsigned i = 0; i < UringRegistry::kRegions + 10; ++i) {
      regions.push_back(MemoryRegion::allocate(4096));
      read_into(*regions.back(), 0);
      read_into(*regions.back(), 0);
    }
    CHECK(home->counters().unregistered_buffers == 20);
    // A slot becomes free: the refused get another chance.
    home->forget_region(*regions[3]);
    read_into(*regions.back(), 0);
    CHECK(home->counters().unregistered_buffers == 20);
    for (auto& region : regions) {
      home->forget_region(*region);
    }
    // A region above 1 GiB cannot be one registered buffer.
    if (auto large = MemoryRegion::allocate((std::size_t{1} << 30) + 4096)) {
      read_into(*large, std::size_t{1} << 30);
      CHECK(home->counters().unregistered_buffers == 21);
      home->forget_region(*large);
    }
    // Foreign memory is never pinned, which is no failure.
    std::vector<char> own(4096);
    auto foreign = MemoryRegion::foreign(own.data(), own.size());
    read_into(*foreign, 0);
    CHECK(home->counters().unregistered_buffers <= 21);
  });
}

TEST_CASE("aio/uring: beyond the locked-memory limit, regions run unregistered and are counted") {
  if (have_ring()) {
    CHECK(run_in_child(kMemlockChild) == 0);
  }
}

TEST_CASE(kMemlockChild* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  std::vector<char> data = pattern(4096, 17);
  File file = file_with(data);
  const rlimit little{128 * 1024, 128 * 1024};  // enough for a ring (some kernels count it)
  REQUIRE(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
  if (geteuid() == 0) {
    REQUIRE(setuid(65534) == 0);  // root may lock whatever it likes
  }
  int error = 0;
  auto engine = UringEngine::create(RingHome::kPolled, error);
  if (engine == nullptr) {
    MESSAGE("skipped: no ring with so little locked memory, errno " << -error);
    return;
  }
  engine.reset();
  on_both_homes([&](RingHome kind) {
    Home home(kind);
    auto region = MemoryRegion::allocate(1024 * 1024);
    for (int i = 1; i <= 3; ++i) {
      Transfer op(IoOpcode::kRead, file, region->base(), 4096, 0, region.get());
      CHECK(home.run_one(op) == 4096);
      CHECK(home->counters().unregistered_buffers == static_cast<std::uint64_t>(i));
    }
    CHECK(std::memcmp(region->base(), data.data(), 4096) == 0);
    home->forget_region(*region);
    home->forget_file(file);
  });
}

TEST_CASE("aio/uring: an engine works where nothing can be registered") {
  if (have_ring()) {
    CHECK(run_in_child(kDoorbellChild) == 0);
  }
}

TEST_CASE(kDoorbellChild* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  REQUIRE(forbid(SYS_io_uring_register, EPERM));
  on_both_homes([](RingHome kind) {
    Home home(kind);
    std::vector<char> data = pattern(4096, 18);
    File file = file_with(data);
    auto region = MemoryRegion::allocate(4096);
    for (int i = 0; i < 2; ++i) {
      Transfer op(IoOpcode::kRead, file, region->base(), 4096, 0, region.get());
      CHECK(home.run_one(op) == 4096);
    }
    CHECK(std::memcmp(region->base(), data.data(), 4096) == 0);
    CHECK(home->counters().unregistered_files == 2);
    CHECK(home->counters().unregistered_buffers == 2);
    Call call(answer_42);
    CHECK(home.run_one(call) == 42);
    home->forget_file(file);
    home->forget_region(*region);
  });
}

TEST_CASE("aio/uring: submissions that the kernel puts off are not forgotten") {
  if (have_ring()) {
    CHECK(run_in_child(kAgainChild) == 0);
    CHECK(run_in_child(kStuckChild) == 0);
  }
}

// io_uring_enter(fd, to_submit = 3, ...) fails with EAGAIN; any other number goes through.
TEST_CASE(kAgainChild* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  REQUIRE(forbid(SYS_io_uring_enter, EAGAIN, 1, 3));
  on_both_homes([](RingHome kind) {
    Home home(kind);
    std::vector<char> data = pattern(4 * 512, 19);
    File file = file_with(data);
    std::vector<char> buffer(data.size());
    std::vector<Transfer> ops(4);
    for (std::size_t i = 0; i < 4; ++i) {
      ops[i].set(IoOpcode::kRead, file, buffer.data() + i * 512, 512,
                 static_cast<std::int64_t>(i * 512));
    }
    for (std::size_t i = 0; i < 3; ++i) {
      home->enqueue(&ops[i]);
    }
    home->submit();
    CHECK(home->in_flight() == 3);
    // The home must come back by itself, or a process with nothing else to do would sleep on.
    Nanoseconds start = now();
    home.sleep(start + kPatience);
    CHECK(now() - start < kPatience / 2);
    // The doorbell that did that is armed again behind the three: now there are four to submit.
    CHECK(home.run(3).size() == 3);
    home->enqueue(&ops[3]);
    home.run(1);
    CHECK(buffer == data);
  });
}

TEST_CASE(kStuckChild* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  int error = 0;
  auto engine = UringEngine::create(RingHome::kOwnThread, error);
  REQUIRE(engine != nullptr);
  for (unsigned count = 1; count <= 8; ++count) {
    REQUIRE(forbid(SYS_io_uring_enter, EAGAIN, 1, count));
  }
  File zero = file_of(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  char byte = 1;
  Transfer op(IoOpcode::kRead, zero, &byte, 1);
  engine->enqueue(&op);
  engine->submit();
  IntrusiveList<IoOp> done;
  Nanoseconds end = now() + 100 * kMs;
  while (now() < end) {
    engine->wait(end);
    engine->reap(done);
  }
  CHECK(now() - end < 2000 * kMs);
  CHECK(done.empty());
  CHECK(engine->in_flight() == 1);
  engine->cancel_all();
  CHECK(!engine->stop(now() + 20 * kMs));
  keep_for_ever(engine);  // not stopped: as its owner must
}

TEST_CASE("aio/uring: a ring that is forbidden later fails its operations") {
  if (have_ring()) {
    CHECK(run_in_child(kForbiddenChild) == 0);
  }
}

TEST_CASE(kForbiddenChild* doctest::skip()) {
  if (!in_child()) {
    return;
  }
  int error = 0;
  auto polled = UringEngine::create(RingHome::kPolled, error);
  auto own = UringEngine::create(RingHome::kOwnThread, error);
  REQUIRE(forbid(SYS_io_uring_enter, EPERM));
  for (auto* engine : {&polled, &own}) {
    REQUIRE(*engine != nullptr);
    File zero = file_of(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    char byte = 1;
    std::vector<Transfer> ops(200);
    for (auto& op : ops) {
      op.set(IoOpcode::kRead, zero, &byte, 1);
      (*engine)->enqueue(&op);
    }
    (*engine)->submit();
    IntrusiveList<IoOp> done;
    (*engine)->reap(done);
    CHECK(done.size() == 200);
    CHECK((*engine)->in_flight() == 0);
    while (IoOp* op = done.pop_front()) {
      CHECK(op->result == -EPERM);
    }
    (*engine)->enqueue(&ops[0]);
    (*engine)->wait(now() + kPatience);
    (*engine)->reap(done);
    CHECK(done.size() == 1);
    keep_for_ever(*engine);
  }
}

TEST_CASE("aio/uring: cancel_all ends what would never end, in the ring and before it") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Pipe pipe;
    std::vector<char> bytes(200);
    std::vector<Transfer> ops(200);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].set(IoOpcode::kRead, pipe.read_end, &bytes[i], 1);
      home->enqueue(&ops[i]);
    }
    home->submit();
    home->cancel_all();
    home->cancel_all();
    Transfer late(IoOpcode::kRead, pipe.read_end, bytes.data(), 1);
    home->enqueue(&late);
    Call call(answer_42);
    home->enqueue(&call);
    CHECK(home->in_flight() == 202);
    CHECK(home.run(202).size() == 202);
    for (auto& op : ops) {
      CHECK(op.result == -ECANCELED);
    }
    CHECK(late.result == -ECANCELED);
    CHECK(call.result == -ECANCELED);
    CHECK(home->in_flight() == 0);
    CHECK(home->stop(now() + kPatience));
    CHECK(home->stop(now()));
  });
}

TEST_CASE("aio/uring: after cancel_all a running worker still finishes and wakes the home") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Call slow(sleep_300ms);
    home->enqueue(&slow);
    home->submit();
    usleep(50'000);  // so that a worker has it
    home->cancel_all();
    home.run(1);
    CHECK(slow.result == 0);
    CHECK(home->in_flight() == 0);
  });
}

TEST_CASE("aio/uring: stop says no while a worker is busy and yes afterwards") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Call slow(sleep_300ms);
    home->enqueue(&slow);
    home->submit();
    usleep(50'000);
    home->cancel_all();
    CHECK(!home->stop(now() + 20 * kMs));
    CHECK(home->stop(now() + kPatience));
    IntrusiveList<IoOp> done;
    home->reap(done);
    CHECK(done.size() == 1);
    done.pop_front();
    CHECK(home->in_flight() == 0);
  });
}

TEST_CASE("aio/uring: stop waits for the ring and keeps what it met for reap") {
  on_both_homes([](RingHome kind) {
    Home home(kind);
    Pipe pipe;
    char byte = 0;
    Transfer op(IoOpcode::kRead, pipe.read_end, &byte, 1);
    home->enqueue(&op);
    home->submit();
    home->cancel_all();
    CHECK(home->stop(now() + kPatience));
    CHECK(home->in_flight() == 1);
    IntrusiveList<IoOp> done;
    home->reap(done);
    CHECK(done.size() == 1);
    done.pop_front();
    CHECK(op.result == -ECANCELED);
  });
}

TEST_CASE("aio/uring: an engine may be destroyed without ceremony when it is idle") {
  on_both_homes([](RingHome kind) {
    for (int i = 0; i < 20; ++i) {
      int error = 0;
      auto engine = UringEngine::create(kind, error);
      REQUIRE(engine != nullptr);
    }
  });
}

// liburing would take the registered ring descriptor back on whatever thread destroys the ring.
TEST_CASE("aio/uring: destroying an engine on another thread leaves that thread's engine alone") {
  if (!have_ring()) {
    return;
  }
  Home mine(RingHome::kPolled);
  std::unique_ptr<UringEngine> other;
  std::thread([&] {
    int error = 0;
    other = UringEngine::create(RingHome::kOwnThread, error);
  }).join();
  REQUIRE(other != nullptr);
  other.reset();
  File file = file_with(pattern(512, 20));
  char buffer[512];
  Transfer op(IoOpcode::kRead, file, buffer, sizeof(buffer));
  CHECK(mine.run_one(op) == 512);
}

TEST_CASE("aio/uring: a random mix of everything ends with the right bytes") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  on_both_homes([seed](RingHome kind) {
    static constexpr std::size_t kSlots = 300;
    static constexpr std::size_t kBytes = 1024;
    std::mt19937 random(seed);
    std::vector<char> model(kSlots * kBytes);
    File file = file_with(model);
    Home home(kind);
    auto region = MemoryRegion::allocate(kSlots * kBytes);
    std::vector<Transfer> ops(kSlots);
    std::atomic<bool> over{false};
    std::thread noise([&] {
      while (!over) {
        home->wake();
        usleep(500);
      }
    });
    for (int round = 0; round < 40; ++round) {
      // Each slot owns its piece of file and memory, so that any order gives the same bytes.
      for (std::size_t i = 0; i < kSlots; ++i) {
        auto* memory = region->base() + i * kBytes;
        const auto offset = static_cast<std::int64_t>(i * kBytes);
        const auto* with = random() % 2 == 0 ? region.get() : nullptr;
        switch (random() % 8) {
          case 0:
            ops[i].opcode = IoOpcode::kFdatasync;
            ops[i].file = &file;
            break;
          case 1:
            ops[i].opcode = IoOpcode::kCall;
            ops[i].call = answer_42;
            break;
          case 2:
          case 3:
          case 4:
            for (std::size_t byte = 0; byte < kBytes; ++byte) {
              memory[byte] = static_cast<std::byte>(random());
            }
            std::memcpy(model.data() + i * kBytes, memory, kBytes);
            ops[i].set(IoOpcode::kWrite, file, memory, kBytes, offset, with);
            break;
          default:
            ops[i].set(IoOpcode::kRead, file, memory, kBytes, offset, with);
        }
        home->enqueue(&ops[i]);
        if (random() % 50 == 0) {
          home->submit();
        }
      }
      CHECK(home.run(kSlots).size() == kSlots);
      for (auto& op : ops) {
        const std::int64_t expected = op.opcode == IoOpcode::kCall        ? 42
                                      : op.opcode == IoOpcode::kFdatasync ? 0
                                                                          : 1024;
        REQUIRE(op.result == expected);
        const bool read = op.opcode == IoOpcode::kRead;
        REQUIRE((!read || std::memcmp(op.vector.iov_base, model.data() + op.offset, kBytes) == 0));
      }
    }
    over = true;
    noise.join();
    std::vector<char> seen(model.size());
    REQUIRE(pread(file.fd.get(), seen.data(), seen.size(), 0) == static_cast<ssize_t>(seen.size()));
    CHECK(seen == model);
    CHECK(home->counters().unregistered_files == 0);
  });
}

TEST_CASE("aio/uring: an IOThread drives a ring of its own") {
  if (!have_ring()) {
    return;
  }
  int error = 0;
  auto thread = IoThread::start(EngineChoice::kIoUring, "uring-test", nullptr, nullptr, error);
  REQUIRE(thread != nullptr);
  CHECK(thread->report().engine == "io_uring");
  struct Knock : Runnable {
    std::atomic<int> count{0};
  };
  Knock knock;
  knock.run = [](Runnable* self) { static_cast<Knock*>(self)->count.fetch_add(1); };
  for (int i = 0; i < 100; ++i) {
    thread->context().post(&knock);
    Nanoseconds deadline = now() + kPatience;
    while (knock.count.load() <= i && now() < deadline) {
      std::this_thread::yield();
    }
    REQUIRE(knock.count.load() == i + 1);
  }
  CHECK(thread->stop(now() + kPatience));
}
