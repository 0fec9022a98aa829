#include "fuzz/nbd-client.hpp"

#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

// NOLINTNEXTLINE(bugprone-reserved-identifier): it is the sanitizer's
extern "C" [[gnu::weak]] std::size_t __sanitizer_get_current_allocated_bytes();

namespace blk::fuzz {

std::size_t live_memory() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) {
    return __sanitizer_get_current_allocated_bytes();
  }
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::string Client::run() {
  world_.set_manner(script_.manner);
  socket_ = world_.connect();
  for (const Step& step : script_.steps) {
    if (std::string problem = act(step); !problem.empty()) {
      return problem;
    }
    if (reading_) {
      read();
    }
  }
  world_.turn();
  seen_.memory = live_memory();
  return end();
}

std::string Client::act(const Step& step) {
  switch (step.act) {
    case Act::kSend:
      return send(step.bytes);
    case Act::kStopReading:
      reading_ = false;
      return {};
    case Act::kReadAgain:
      reading_ = true;
      return {};
    case Act::kBeginSection:
      return world_.begin_section() ? "" : "a drained section does not become quiet";
    case Act::kEndSection:
      world_.end_section();
      return {};
    case Act::kBriefSection:
      world_.section_in_passing();
      return {};
    case Act::kRelease:
      world_.release();
      return {};
    case Act::kHangUp:
      world_.replace_exports();
      seen_.hung_up = true;
      return {};
    default:
      world_.turn();
      return {};
  }
}

std::string Client::send(std::size_t bytes) {
  const std::size_t end = std::min(seen_.sent + bytes, script_.stream.size());
  for (int tries = 0; tries < 3 && !send_some(end); ++tries) {
    world_.turn();
  }
  if (send_some(end)) {
    return {};
  }
  // The server takes no more, as it may: it waits for its disk, or for somebody to read.
  let_everybody_go();
  const bool went = world_.run_until([this, end] {
    read();
    return send_some(end);
  });
  return went ? "" : "the server neither takes what is sent nor ends";
}

bool Client::send_some(std::size_t end) {
  while (seen_.sent < end && !refuses_) {
    const ssize_t sent = ::send(socket_.get(), script_.stream.data() + seen_.sent, end - seen_.sent,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      refuses_ = errno != EAGAIN;
      break;
    }
    seen_.sent += static_cast<std::size_t>(sent);
  }
  return seen_.sent == end || refuses_;
}

void Client::read() {
  static std::array<std::uint8_t, 256 * 1024> chunk;
  while (!server_ended_) {
    const ssize_t got = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got <= 0) {
      server_ended_ = got == 0 || errno != EAGAIN;
      return;
    }
    seen_.received.insert(seen_.received.end(), chunk.data(), chunk.data() + got);
  }
}

void Client::let_everybody_go() {
  world_.end_section();
  world_.release();
  reading_ = true;
}

std::string Client::end() {
  if (script_.ending == Ending::kHalfClose) {
    let_everybody_go();
    ::shutdown(socket_.get(), SHUT_WR);
    const bool ended = world_.run_until([this] {
      read();
      return server_ended_;
    });
    if (!ended) {
      return "the server does not end when its client does";
    }
    seen_.to_the_end = true;
  }
  socket_.reset();
  world_.turn();
  let_everybody_go();
  return {};
}

}  // namespace blk::fuzz
