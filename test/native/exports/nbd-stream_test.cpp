#include "exports/nbd-stream.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>

#include "aio/probe.hpp"
#include "aio/support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;
using blk::block::Backend;
using blk::exports::NbdStream;

struct NobodyListens : blk::block::GraphListener {
  void on_idle() override { ++idle; }
  void on_resized(std::uint32_t) override {}
  void on_parked(int) override {}
  int idle = 0;
};

// A stream over a socket pair, its backend, and a context to run them in.
struct World {
  explicit World(EngineChoice choice) {
    EngineReport report;
    int error = 0;
    auto engine = make_engine(choice, RingHome::kPolled, report, error);
    REQUIRE(engine != nullptr);
    context = std::make_unique<AioContext>(std::move(engine), clock);
    backend = std::make_unique<Backend>(*context, listener);
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    peer.reset(ends[1]);
    stream = std::make_unique<NbdStream>(*context, UniqueFd(ends[0]));
    stream->set_backend(backend.get());
  }
  ~World() {
    stream.reset();
    context->close();
    CHECK(run([this] { return context->is_idle(); }));
    CHECK(context->engine().stop(now() + 20 * kSecond));
  }

  bool run(const std::function<bool()>& holds) const {
    const Nanoseconds deadline = now() + 20 * kSecond;
    while (!holds() && now() < deadline) {
      context->turn();
      pollfd source{context->engine().poll_fd(), POLLIN, 0};
      ::poll(&source, 1, 1);
    }
    return holds();
  }
  void settle() const {
    for (int turns = 0; turns < 20; ++turns) {
      context->turn();
      pollfd source{context->engine().poll_fd(), POLLIN, 0};
      ::poll(&source, 1, 1);
    }
  }
  void send(const std::string& text) const {
    REQUIRE(::write(peer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  MonotonicClock clock;
  NobodyListens listener;
  std::unique_ptr<AioContext> context;
  std::unique_ptr<Backend> backend;
  UniqueFd peer;
  std::unique_ptr<NbdStream> stream;
};

template <typename Body>
void on_both_engines(Body body) {
  for (const EngineChoice choice : {EngineChoice::kIoUring, EngineChoice::kThreads}) {
    if (choice == EngineChoice::kIoUring && probe_io_uring().error != 0) {
      MESSAGE("skipped: " << probe_io_uring().reason);
      continue;
    }
    CAPTURE(static_cast<int>(choice));
    World world(choice);
    body(world);
  }
}

constexpr int kPending = 1;

Detached fill(NbdStream& stream, std::size_t bytes, int* result) {
  *result = co_await stream.fill(bytes);
}

Detached read(NbdStream& stream, std::byte* to, std::size_t bytes, int* result) {
  *result = co_await stream.read(to, bytes);
}

Detached write(NbdStream& stream, const std::string* text, int* result) {
  stream.enter();
  *result = co_await stream.write(reinterpret_cast<const std::byte*>(text->data()), text->size());
  stream.leave();
}

}  // namespace

TEST_CASE("exports/nbd-stream: a message after a payload comes with it; the end is told apart") {
  on_both_engines([](World& world) {
    std::string payload(8, '-');
    int result = kPending;
    world.send("abc");
    read(*world.stream, reinterpret_cast<std::byte*>(payload.data()), payload.size(), &result);
    world.settle();
    CHECK(result == kPending);
    world.send("defghNEXT");
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == 0);
    CHECK(payload == "abcdefgh");
    CHECK(world.stream->available() == 4);
    result = kPending;
    fill(*world.stream, 4, &result);
    CHECK(result == 0);  // without another call
    CHECK_FALSE(world.stream->ended_cleanly());
    world.stream->consume(4);
    result = kPending;
    fill(*world.stream, 1, &result);
    world.peer.reset();
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == -ECONNRESET);
    CHECK(world.stream->ended_cleanly());
  });
}

TEST_CASE("exports/nbd-stream: paused it receives nothing, and holds its backend until it stands") {
  on_both_engines([](World& world) {
    int result = kPending;
    fill(*world.stream, 4, &result);
    world.settle();
    world.backend->announce_begin();
    world.backend->quiesce_begin();
    world.stream->pause();
    world.backend->begin_arrived();
    CHECK(world.backend->busy() == 1);
    CHECK(world.run([&] { return world.backend->busy() == 0; }));
    CHECK(world.listener.idle >= 1);
    CHECK(world.context->engine().sockets_in_flight() == 0);
    world.send("data");
    world.settle();
    CHECK(result == kPending);
    world.backend->announce_end();
    world.backend->quiesce_end();
    world.stream->resume();
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == 0);
    CHECK(world.backend->busy() == 0);
  });
}

TEST_CASE("exports/nbd-stream: a pause that ends before it has taken hold loses nothing") {
  on_both_engines([](World& world) {
    int result = kPending;
    fill(*world.stream, 4, &result);
    world.settle();
    for (int round = 0; round < 5; ++round) {
      world.stream->pause();
      world.stream->resume();
      world.stream->pause();
      CHECK(world.backend->busy() == 1);
      world.stream->resume();
      CHECK(world.backend->busy() == 0);
    }
    world.send("data");
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == 0);
  });
}

TEST_CASE("exports/nbd-stream: paused it sends what the peer takes at once, and the rest later") {
  on_both_engines([](World& world) {
    const std::string large(4 << 20, 'x');
    const std::string small = "small";
    int result = kPending;
    world.stream->pause();
    write(*world.stream, &small, &result);
    CHECK(result == 0);  // without a turn
    CHECK(world.backend->busy() == 0);
    result = kPending;
    write(*world.stream, &large, &result);
    // A peer that does not read holds nobody up.
    CHECK(world.run([&] { return world.backend->busy() == 0; }));
    CHECK(result == kPending);
    CHECK(world.context->engine().sockets_in_flight() == 0);
    world.stream->resume();
    std::string received;
    std::string chunk(1 << 20, '-');
    CHECK(world.run([&] {
      const ssize_t got = ::recv(world.peer.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
      received.append(chunk, 0, got > 0 ? static_cast<std::size_t>(got) : 0);
      return received.size() == small.size() + large.size();
    }));
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == 0);
    CHECK(received == small + large);
  });
}

TEST_CASE("exports/nbd-stream: hung up it lets everybody go who waits, in a pause as well") {
  on_both_engines([](World& world) {
    int result = kPending;
    world.stream->pause();
    fill(*world.stream, 4, &result);
    world.settle();
    CHECK(result == kPending);
    world.stream->hang_up();
    CHECK(world.run([&] { return result != kPending; }));
    CHECK(result == -ECONNABORTED);
    world.stream->resume();
  });
}
