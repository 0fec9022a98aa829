// A client that follows a script.
#pragma once

#include <cstdint>
#include <string>

#include "fuzz/nbd-script.hpp"
#include "fuzz/nbd-world.hpp"

namespace blk::fuzz {

/// What passed between the client and the server.
struct Seen {
  std::size_t sent = 0;  // bytes of the script's stream that went out
  Bytes received;
  /// Everything that the server had to say was read, up to its end.
  bool to_the_end = false;
  /// Its export was removed meanwhile.
  bool hung_up = false;
  /// Live memory at its most, in bytes.
  std::size_t memory = 0;
};

class Client {
 public:
  Client(World& world, const Script& script) : world_(world), script_(script) {}

  /// From connect to the end; empty, or what went wrong.
  std::string run();
  const Seen& seen() const { return seen_; }

 private:
  std::string act(const Step& step);
  /// All of it, unless the server has ended; what is in the way is taken out of it.
  std::string send(std::size_t bytes);
  /// As much as the socket takes.
  bool send_some(std::size_t end);
  void read();
  void let_everybody_go();
  std::string end();

  World& world_;
  const Script& script_;
  Seen seen_;
  aio::UniqueFd socket_;
  bool reading_ = true;
  bool server_ended_ = false;  // nothing more comes
  bool refuses_ = false;       // nothing more goes out
};

/// Bytes of the heap that are in use.
std::size_t live_memory();

}  // namespace blk::fuzz
