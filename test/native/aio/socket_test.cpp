#include "aio/socket.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aio/context.hpp"
#include "aio/probe.hpp"
#include "aio/sim-engine.hpp"
#include "aio/task.hpp"
#include "support.hpp"

namespace {

using namespace blk::aio;
using namespace blk::test;

// A context as its home drives it: a polled one sleeps in poll(), a thread of its own in wait().
class Home {
 public:
  Home(EngineChoice choice, RingHome kind) : kind_(kind) {
    EngineReport report;
    int error = 0;
    auto engine = make_engine(choice, kind, report, error);
    REQUIRE(engine != nullptr);
    context_ = std::make_unique<AioContext>(std::move(engine), clock_);
  }
  ~Home() {
    context_->close();
    CHECK(run([this] { return context_->is_idle(); }));
    CHECK(context_->engine().stop(now() + 20 * kSecond));
  }

  AioContext& context() { return *context_; }
  Engine& engine() { return context_->engine(); }

  /// Runs the context until `holds`; false after 20 s.
  bool run(const std::function<bool()>& holds) {
    const Nanoseconds deadline = now() + 20 * kSecond;
    while (!holds() && now() < deadline) {
      if (context_->turn() || holds() || context_->has_ready()) {
        continue;
      }
      if (kind_ == RingHome::kOwnThread) {
        engine().wait(deadline);
      } else {
        pollfd source{engine().poll_fd(), POLLIN, 0};
        ::poll(&source, 1, 20'000);
      }
    }
    return holds();
  }
  /// Lets everything happen that can.
  void settle() {
    for (int turns = 0; turns < 20; ++turns) {
      context_->turn();
      pollfd source{engine().poll_fd(), POLLIN, 0};
      ::poll(&source, 1, 1);
    }
  }

 private:
  RingHome kind_;
  MonotonicClock clock_;
  std::unique_ptr<AioContext> context_;
};

template <typename Body>
void on_every_engine_and_home(Body body) {
  for (const EngineChoice choice : {EngineChoice::kIoUring, EngineChoice::kThreads}) {
    if (choice == EngineChoice::kIoUring && probe_io_uring().error != 0) {
      MESSAGE("skipped: " << probe_io_uring().reason);
      continue;
    }
    for (const RingHome kind : {RingHome::kPolled, RingHome::kOwnThread}) {
      CAPTURE(static_cast<int>(choice));
      CAPTURE(static_cast<int>(kind));
      Home home(choice, kind);
      body(home);
    }
  }
}

struct Pair {
  Pair() {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    ours.fd.reset(ends[0]);
    peer.reset(ends[1]);
  }
  File ours;
  UniqueFd peer;
};

/// One operation and what became of it.
struct Call {
  static constexpr std::int64_t kPending = INT64_MIN;

  IoOp* op = nullptr;
  std::int64_t result = kPending;
  bool done() const { return result != kPending; }
};

Detached run_call(Engine& engine, IoOpcode code, File& socket, const iovec* iov,
                  std::uint32_t count, Call* call) {
  call->result = co_await SocketAwaiter(engine, code, socket, iov, count, &call->op);
}

Detached run_accept(Engine& engine, File& listener, Call* call) {
  call->result = co_await SocketAwaiter(engine, listener, &call->op);
}

Detached receive_late(Engine& engine, File& socket, const iovec* iov, Call* call) {
  SocketAwaiter receive(engine, IoOpcode::kReceive, socket, iov, 1, &call->op);
  receive.poll_first = true;
  call->result = co_await receive;
}

/// A listening socket on a free port of this host.
File tcp_listener(sockaddr_in& address) {
  File listener;
  listener.fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof(address);
  REQUIRE(::bind(listener.fd.get(), generic, length) == 0);
  REQUIRE(::listen(listener.fd.get(), 8) == 0);
  REQUIRE(::getsockname(listener.fd.get(), generic, &length) == 0);
  return listener;
}

constexpr std::size_t kSockets = 300;  // more than a ring has entries

/// Fills the way to the peer until it takes no more.
void fill(int fd) {
  const std::string chunk(4096, 'x');
  while (::send(fd, chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

}  // namespace

TEST_CASE("aio/socket: a receive waits for the peer, takes what is there, and sees the end") {
  on_every_engine_and_home([](Home& home) {
    Pair pair;
    std::string bytes(8, '-');
    const iovec iov{bytes.data(), bytes.size()};
    Call first;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &first);
    home.settle();
    CHECK_FALSE(first.done());
    CHECK(home.engine().in_flight() == 1);
    CHECK(home.engine().sockets_in_flight() == 1);
    CHECK(home.context().requests_in_flight() == 0);
    REQUIRE(::write(pair.peer.get(), "abc", 3) == 3);
    CHECK(home.run([&] { return first.done(); }));
    CHECK(first.result == 3);
    CHECK(bytes == "abc-----");
    CHECK(first.op == nullptr);

    ::shutdown(pair.peer.get(), SHUT_WR);
    Call second;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &second);
    CHECK(home.run([&] { return second.done(); }));
    CHECK(second.result == 0);
    CHECK(home.engine().sockets_in_flight() == 0);
    home.engine().forget_file(pair.ours);
  });
}

TEST_CASE("aio/socket: vectors are gathered and scattered, in both directions at once") {
  on_every_engine_and_home([](Home& home) {
    Pair pair;
    std::string head(2, '-');
    std::string tail(6, '-');
    const iovec in[] = {{head.data(), head.size()}, {tail.data(), tail.size()}};
    Call received;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, in, 2, &received);
    std::string hello = "hello ";
    std::string world = "world";
    const iovec out[] = {{hello.data(), hello.size()}, {world.data(), world.size()}};
    Call sent;
    run_call(home.engine(), IoOpcode::kSend, pair.ours, out, 2, &sent);
    CHECK(home.run([&] { return sent.done(); }));
    CHECK(sent.result == 11);
    char arrived[16] = {};
    CHECK(::read(pair.peer.get(), arrived, sizeof(arrived)) == 11);
    CHECK(std::string(arrived) == "hello world");
    CHECK_FALSE(received.done());
    REQUIRE(::write(pair.peer.get(), "12345", 5) == 5);
    CHECK(home.run([&] { return received.done(); }));
    CHECK(received.result == 5);
    CHECK(head + tail == "12345---");
    home.engine().forget_file(pair.ours);
  });
}

TEST_CASE(
    "aio/socket: a send waits for room, and does not when told so; a peer that went is EPIPE") {
  on_every_engine_and_home([](Home& home) {
    Pair pair;
    fill(pair.ours.fd.get());
    std::string text = "more";
    const iovec iov{text.data(), text.size()};
    CHECK(send_now(pair.ours, &iov, 1) == -EAGAIN);

    Call waits;
    run_call(home.engine(), IoOpcode::kSend, pair.ours, &iov, 1, &waits);
    home.settle();
    CHECK_FALSE(waits.done());
    std::string drained(1 << 20, '\0');
    CHECK(home.run([&] {
      [[maybe_unused]] const auto ignored =
          ::recv(pair.peer.get(), drained.data(), drained.size(), MSG_DONTWAIT);
      return waits.done();
    }));
    CHECK(waits.result == 4);

    CHECK(send_now(pair.ours, &iov, 1) == 4);
    pair.peer.reset();
    CHECK(send_now(pair.ours, &iov, 1) == -EPIPE);
    Call broken;
    run_call(home.engine(), IoOpcode::kSend, pair.ours, &iov, 1, &broken);
    CHECK(home.run([&] { return broken.done(); }));
    CHECK((broken.result == -EPIPE || broken.result == -ECONNRESET));
    home.engine().forget_file(pair.ours);
  });
}

TEST_CASE("aio/socket: a receive that expects to wait takes what is there all the same") {
  on_every_engine_and_home([](Home& home) {
    Pair pair;
    std::string text(4, '-');
    const iovec iov{text.data(), text.size()};
    for (const bool early : {true, false}) {
      Call received;
      if (early) {
        REQUIRE(::write(pair.peer.get(), "data", 4) == 4);
      }
      receive_late(home.engine(), pair.ours, &iov, &received);
      home.settle();
      CHECK(received.done() == early);
      if (!early) {
        REQUIRE(::write(pair.peer.get(), "data", 4) == 4);
      }
      CHECK(home.run([&] { return received.done(); }));
      CHECK(received.result == 4);
      CHECK(text == "data");
    }
    home.engine().forget_file(pair.ours);
  });
}

TEST_CASE("aio/socket: connections are accepted, one after another") {
  on_every_engine_and_home([](Home& home) {
    sockaddr_in address{};
    File listener = tcp_listener(address);
    Call early;
    run_accept(home.engine(), listener, &early);
    home.settle();
    CHECK_FALSE(early.done());
    std::vector<UniqueFd> peers;
    for (int round = 0; round < 3; ++round) {
      peers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      REQUIRE(::connect(peers.back().get(), reinterpret_cast<sockaddr*>(&address),
                        sizeof(address)) == 0);
    }
    for (int round = 0; round < 3; ++round) {
      Call later;
      Call& call = round == 0 ? early : later;
      if (round != 0) {
        run_accept(home.engine(), listener, &later);
      }
      CHECK(home.run([&] { return call.done(); }));
      CHECK(call.result >= 0);
      const UniqueFd accepted(static_cast<int>(call.result));
      CHECK(::write(accepted.get(), "!", 1) == 1);
    }
    home.engine().forget_file(listener);
  });
}

TEST_CASE("aio/socket: a cancelled operation ends with ECANCELED, and only that one") {
  on_every_engine_and_home([](Home& home) {
    Pair pair;
    fill(pair.ours.fd.get());
    std::string bytes(8, '-');
    const iovec iov{bytes.data(), bytes.size()};
    Call receive;
    Call send;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &receive);
    run_call(home.engine(), IoOpcode::kSend, pair.ours, &iov, 1, &send);
    home.settle();
    home.engine().cancel(receive.op);
    CHECK(home.run([&] { return receive.done(); }));
    CHECK(receive.result == -ECANCELED);
    CHECK_FALSE(send.done());
    // Before it was handed over, too.
    Call unsubmitted;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &unsubmitted);
    home.engine().cancel(unsubmitted.op);
    CHECK(home.run([&] { return unsubmitted.done(); }));
    CHECK(unsubmitted.result == -ECANCELED);
    home.engine().cancel(send.op);
    CHECK(home.run([&] { return send.done(); }));
    CHECK(send.result == -ECANCELED);
    // The socket is as good as before.
    REQUIRE(::write(pair.peer.get(), "abc", 3) == 3);
    Call again;
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &again);
    CHECK(home.run([&] { return again.done(); }));
    CHECK(again.result == 3);
    home.engine().forget_file(pair.ours);
  });
}

TEST_CASE("aio/socket: an accept is cancelled, and the end of a context ends all") {
  on_every_engine_and_home([](Home& home) {
    sockaddr_in address{};
    File listener = tcp_listener(address);
    Call cancelled;
    run_accept(home.engine(), listener, &cancelled);
    home.settle();
    home.engine().cancel(cancelled.op);
    CHECK(home.run([&] { return cancelled.done(); }));
    CHECK(cancelled.result == -ECANCELED);

    Pair pair;
    std::string bytes(8, '-');
    const iovec iov{bytes.data(), bytes.size()};
    Call accept;
    Call receive;
    Call refused;
    run_accept(home.engine(), listener, &accept);
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &receive);
    home.settle();
    home.context().close();
    run_call(home.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &refused);
    CHECK(home.run([&] { return accept.done() && receive.done() && refused.done(); }));
    CHECK(accept.result == -ECANCELED);
    CHECK(receive.result == -ECANCELED);
    CHECK(refused.result == -ECANCELED);
    CHECK(home.context().is_idle());
  });
}

TEST_CASE("aio/socket: waiting sockets take no room from files, and an idle one wakes nobody") {
  on_every_engine_and_home([](Home& home) {
    std::vector<std::unique_ptr<Pair>> pairs;
    std::vector<Call> calls(kSockets);
    std::string bytes(kSockets, '-');
    std::vector<iovec> vectors;
    for (std::size_t i = 0; i < kSockets; ++i) {
      pairs.push_back(std::make_unique<Pair>());
      vectors.push_back({bytes.data() + i, 1});
    }
    for (std::size_t i = 0; i < kSockets; ++i) {
      run_call(home.engine(), IoOpcode::kReceive, pairs[i]->ours, &vectors[i], 1, &calls[i]);
    }
    home.settle();
    CHECK(home.engine().sockets_in_flight() == kSockets);
    File file = temp_file("content");
    char data[8] = {};
    const iovec into{data, 7};
    Call read;
    [](Engine& engine, File& what, const iovec* iov, Call* call) -> Detached {
      call->result = co_await IoAwaiter(engine, IoOpcode::kRead, what, iov, 1, 0, nullptr);
    }(home.engine(), file, &into, &read);
    CHECK(home.run([&] { return read.done(); }));
    CHECK(std::string(data) == "content");
    home.engine().forget_file(file);
    home.settle();
    CHECK_FALSE(readable(home.engine().poll_fd()));
    for (std::size_t i = 0; i < kSockets; ++i) {
      REQUIRE(::write(pairs[i]->peer.get(), "y", 1) == 1);
    }
    CHECK(home.run([&] { return home.engine().sockets_in_flight() == 0; }));
    CHECK(home.run([&] { return calls.back().done(); }));
    CHECK(bytes == std::string(kSockets, 'y'));
    for (const auto& pair : pairs) {
      home.engine().forget_file(pair->ours);
    }
  });
}

TEST_CASE("aio/socket: virtual time has no peers") {
  VirtualClock clock;
  auto owned = std::make_unique<SimEngine>(SimOptions{}, clock);
  AioContext context(std::move(owned), clock);
  Pair pair;
  std::string bytes(8, '-');
  const iovec iov{bytes.data(), bytes.size()};
  Call call;
  run_call(context.engine(), IoOpcode::kReceive, pair.ours, &iov, 1, &call);
  while (context.turn()) {
  }
  CHECK(call.result == -ENOTSUP);
}
