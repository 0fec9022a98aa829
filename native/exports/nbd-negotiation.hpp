// The handshake: from the greeting to the choice of an export (fixed newstyle).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aio/task.hpp"
#include "exports/nbd-contexts.hpp"
#include "exports/nbd-export-table.hpp"
#include "exports/nbd-protocol.hpp"
#include "exports/nbd-question.hpp"
#include "exports/nbd-stream.hpp"

namespace blk::exports {

/// What both sides agreed upon.
struct NbdAgreement {
  std::shared_ptr<NbdExport> item;
  NbdContexts contexts;
  bool structured = false;
  bool extended = false;  // headers; then replies are structured, too
};

/// What a server demands of those who negotiate.
struct NbdPolicy {
  enum class Tls : std::uint8_t { kOff, kOptional, kRequired };

  Tls tls = Tls::kOff;
  bool asks_admission = false;  // who may use an export
};

/// Whom a client asks, and as whom.
struct NbdGate {
  NbdPolicy policy;
  NbdQuestions& questions;
  std::uint64_t client = 0;
};

/// Runs once for a connection, on the JavaScript thread. The peer may send anything.
class NbdNegotiation {
 public:
  /// Data of one option, in bytes; what has more is skipped and refused.
  static constexpr std::uint32_t kMaxOption = 64 * 1024;
  /// Of all options together; nobody needs that much.
  static constexpr std::uint64_t kMaxOptions = 32U << 20;

  NbdNegotiation(NbdStream& stream, const NbdExportTable& exports, NbdGate gate)
      : stream_(stream), exports_(exports), gate_(gate) {}
  NbdNegotiation(const NbdNegotiation&) = delete;
  NbdNegotiation& operator=(const NbdNegotiation&) = delete;

  /// 0 when an export was chosen; otherwise the connection has come to its end.
  aio::Task<int> run();
  NbdAgreement& agreement() { return agreement_; }

 private:
  /// What an answer to an option means for the connection.
  enum class Next : std::uint8_t { kNextOption, kSecure, kTransmission, kEnd };

  aio::Task<int> greet();
  aio::Task<int> receive_option();
  aio::Task<int> answer();
  aio::Task<int> secure();
  aio::Task<int> admit();
  /// Only what leads to TLS is answered.
  bool is_barred() const;
  void dispatch();

  // Each reads data_ and writes replies_.
  void export_name();
  void start_tls();
  void list();
  void info();
  void structured_reply();
  void extended_headers();
  void meta_context();
  void describe(const NbdExport& item, const std::vector<std::uint16_t>& wanted);
  void answer_query(std::string_view query, NbdContexts& chosen);
  void offer(std::string_view name, std::uint32_t id);
  std::uint16_t flags_of(const NbdExport& item) const;

  // replies_
  void reply(std::uint32_t type, const std::vector<std::byte>& data = {});
  void refuse(std::uint32_t error, std::string_view reason);
  /// The reason, and the name: 'REASON 'NAME''.
  void refuse_export(std::uint32_t error, std::string_view reason, std::string_view name);

  NbdStream& stream_;
  const NbdExportTable& exports_;
  NbdGate gate_;
  NbdAgreement agreement_;
  bool secure_ = false;                 // TLS
  bool refused_ = false;                // the export that the option names, to this client
  const NbdExport* queried_ = nullptr;  // by the option at hand
  bool fixed_ = false;
  bool no_zeroes_ = false;
  std::uint64_t received_ = 0;
  nbd::Option option_ = nbd::Option::kAbort;
  bool too_big_ = false;
  std::vector<std::byte> data_;
  std::vector<std::byte> replies_;
  Next next_ = Next::kNextOption;
};

}  // namespace blk::exports
