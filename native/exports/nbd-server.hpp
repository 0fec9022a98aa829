// An NBD server: where it listens, what it exports, and who is connected.
//
// JavaScript thread only, but for what its connections do in the homes of their exports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aio/context.hpp"
#include "aio/file.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "exports/nbd-connection.hpp"
#include "exports/nbd-export-table.hpp"

namespace blk::exports {

struct NbdServerOptions {
  std::uint32_t max_connections = 100;  // 0: no limit
  aio::Nanoseconds handshake_time = 0;  // 0: no limit
  NbdPolicy policy;
};

class NbdServer final : public NbdConnectionOwner, public std::enable_shared_from_this<NbdServer> {
 public:
  /// `context` is the main context of its environment. `told(owner)`: there are questions to take.
  NbdServer(aio::AioContext& context, NbdServerOptions options, void (*told)(void*), void* owner)
      : context_(context), options_(options), questions_(context, told, owner) {}
  NbdServer(const NbdServer&) = delete;
  NbdServer& operator=(const NbdServer&) = delete;

  /// Accepts connections of a listening socket from now on.
  void listen(aio::UniqueFd listener);
  NbdExportTable& table() { return table_; }
  std::uint32_t connections() const { return connections_; }

  /// Ever, those that have gone included.
  std::uint64_t accepted() const { return accepted_; }
  bool is_closing() const { return closing_; }

  NbdQuestions& questions() { return questions_; }

  /// Hangs up those that negotiate.
  void hang_up_negotiations();
  /// Listens no more and hangs up those that negotiate; calls `done` when nobody is connected.
  void close(void (*done)(void*), void* owner);

  // NbdConnectionOwner
  const NbdExportTable& exports() const override { return table_; }
  aio::Nanoseconds handshake_time() const override { return options_.handshake_time; }
  NbdGate gate(std::uint64_t client) override { return {options_.policy, questions_, client}; }
  void began(NbdConnection& connection) override;
  void negotiated(NbdConnection& connection) override;
  void forget() override;

 private:
  struct Listener {
    aio::File socket;
    aio::IoOp* accepting = nullptr;
  };

  static aio::Detached accept(std::shared_ptr<NbdServer> self, Listener& listener);
  aio::Task<int> accept_one(Listener& listener);
  bool is_full() const;
  void connect(aio::UniqueFd socket);
  void tell_if_gone();

  aio::AioContext& context_;
  const NbdServerOptions options_;
  NbdQuestions questions_;
  NbdExportTable table_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::uint32_t accepting_ = 0;  // coroutines
  std::uint32_t connections_ = 0;
  std::uint64_t accepted_ = 0;
  std::vector<NbdConnection*> negotiating_;
  aio::WaitQueue room_;
  bool closing_ = false;
  void (*closed_)(void*) = nullptr;
  void* closed_owner_ = nullptr;
};

}  // namespace blk::exports
