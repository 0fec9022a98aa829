// Judges a handshake: whether what the server said is an answer to what the client sent. It follows
// both streams side by side, and knows the protocol, not the server.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "fuzz/nbd-exports.hpp"
#include "fuzz/nbd-wire.hpp"

namespace blk::fuzz {

struct Agreement {
  const ExportFacts* item = nullptr;  // null: none was chosen
  bool structured = false;
  bool extended = false;
  std::set<std::uint32_t> contexts;
};

class Handshake {
 public:
  Handshake(Reader& sent, Reader& received, bool to_the_end)
      : sent_(sent), received_(received), to_the_end_(to_the_end) {}

  /// Empty, or what is wrong. Ends where transmission begins, or with the connection.
  std::string run();
  const Agreement& agreement() const { return agreement_; }
  std::uint64_t options() const { return options_; }

 private:
  std::string greeting();
  std::string option();
  std::string export_name(std::string_view name);
  std::string replies(std::uint32_t id, const Bytes& data);
  std::string reply_data(std::uint32_t type, Reader& data);
  std::string info(Reader& data);
  std::string acknowledged(std::uint32_t id, const Bytes& data);
  std::string refused(std::uint32_t id, std::uint32_t type, const Bytes& data) const;
  /// The client gets no answer to what it has sent from here on.
  std::string silence();
  /// The answer is not all there.
  std::string cut_off(const char* what);

  Reader& sent_;
  Reader& received_;
  const bool to_the_end_;
  Agreement agreement_;
  std::uint64_t options_ = 0;
  bool fixed_ = false;
  bool no_zeroes_ = false;
  bool over_ = false;  // the handshake
  // Of the option at hand.
  std::uint32_t option_ = 0;
  bool has_size_ = false;
  std::uint64_t size_ = 0;
  std::set<std::uint32_t> offered_;
  std::string context_export_;  // whose contexts were chosen
};

}  // namespace blk::fuzz
