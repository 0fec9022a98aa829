// One client, from accept to the end of its last request.
//
//   accept -> negotiation -> (home of the export) -> read -> serve ... -> read ends ->
//   nothing in flight, nothing to send -> (JavaScript thread) -> forgotten
//
// Its outermost coroutine owns it. It changes threads where the arrows say so, and with its
// export's whole graph in drained sections.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aio/runnable.hpp"
#include "aio/sync.hpp"
#include "aio/task.hpp"
#include "aio/timer.hpp"
#include "exports/nbd-buffers.hpp"
#include "exports/nbd-negotiation.hpp"
#include "exports/nbd-reply.hpp"
#include "exports/nbd-request.hpp"
#include "exports/nbd-stream.hpp"
#include "exports/nbd-writer.hpp"

namespace blk::exports {

class NbdConnection;

/// Who accepted it, on the JavaScript thread.
class NbdConnectionOwner {
 public:
  virtual ~NbdConnectionOwner() = default;
  virtual const NbdExportTable& exports() const = 0;
  /// How long a client may take to choose an export, in nanoseconds; 0: as long as it likes.
  virtual aio::Nanoseconds handshake_time() const = 0;
  /// What clients must do, and whom this one asks.
  virtual NbdGate gate(std::uint64_t client) = 0;
  /// Negotiation begins.
  virtual void began(NbdConnection& connection) = 0;
  /// It has ended, whatever came of it.
  virtual void negotiated(NbdConnection& connection) = 0;
  /// A connection is gone.
  virtual void forget() = 0;
};

class NbdConnection final : public NbdReplyOwner {
 public:
  /// Requests in flight or with their reply unsent. QEMU has 16; genuine clients send 32 and 64
  /// ahead, and what is not read waits for no storage.
  static constexpr std::size_t kRequests = 64;
  /// Data of those, in bytes; one request may always have as much as it needs.
  static constexpr std::uint64_t kDataBytes = nbd::kMaxPayload;
  /// The same while replies wait for the client: more would only leave the processor's second cache
  /// (of 1 MiB and more) before it is sent, and four connections are usual. Half of it still is.
  static constexpr std::uint64_t kWindow = 256U << 10;

  /// Begins its life, which ends by itself. `socket` is connected.
  /// `number` is its own in its owner.
  static void start(std::shared_ptr<NbdConnectionOwner> owner, aio::AioContext& context,
                    aio::UniqueFd socket, std::uint64_t number);

  NbdConnection(const NbdConnection&) = delete;
  NbdConnection& operator=(const NbdConnection&) = delete;

  /// While it negotiates.
  void hang_up();

 private:
  struct Deadline : aio::Timer {
    explicit Deadline(NbdConnection& whose);
    NbdConnection& connection;
  };

  NbdConnection(std::shared_ptr<NbdConnectionOwner> owner, aio::AioContext& context,
                aio::UniqueFd socket, std::uint64_t number);

  static aio::Detached live(std::unique_ptr<NbdConnection> self);
  aio::Task<int> negotiate();
  aio::Task<int> transmit();
  aio::Task<int> receive_request();
  aio::Task<int> receive_payload(NbdRequest& request, std::uint64_t bytes);
  aio::Task<int> wait_for_room(std::uint64_t bytes);
  aio::Task<int> widen_window();
  aio::Task<int> finish(bool wanted);

  // nbd-serve.cpp
  aio::Detached serve(NbdRequest& request);
  aio::Task<int> perform(NbdRequest& request);
  aio::Task<int> read(NbdRequest& request);
  aio::Task<int> write(NbdRequest& request);
  aio::Task<int> flush(NbdRequest& request);
  aio::Task<int> trim(NbdRequest& request);
  aio::Task<int> write_zeroes(NbdRequest& request);
  aio::Task<int> cache(NbdRequest& request);
  aio::Task<int> block_status(NbdRequest& request);
  int check(const NbdRequest& request) const;
  void answer(NbdRequest& request, std::int64_t error);

  bool has_room(std::uint64_t bytes) const;
  void wake_reader();
  void replied(NbdRequest& request) override;
  void idle() override { wake_reader(); }

  NbdReplyStyle style() const { return {agreement().structured, agreement().extended}; }
  const NbdAgreement& agreement() const { return agreement_; }
  const NbdExport& item() const { return *agreement_.item; }

  const std::shared_ptr<NbdConnectionOwner> owner_;
  aio::AioContext& accepted_in_;
  const std::uint64_t number_;
  NbdStream stream_;
  NbdAgreement agreement_;
  NbdWriter writer_;
  NbdBuffers buffers_;
  std::array<NbdRequest, kRequests> requests_;
  std::vector<NbdRequest*> free_;
  std::uint64_t data_bytes_ = 0;
  std::uint64_t window_ = kWindow;  // from kWindow to kDataBytes
  bool reader_waits_ = false;
  aio::WaitQueue reader_;
};

}  // namespace blk::exports
