// Engine "sim": real files, virtual time, seeded disorder and faults. Its home is virtual: nothing
// happens until somebody moves the clock. The same seed and the same calls give the same run.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "aio/clock.hpp"
#include "aio/engine.hpp"

namespace blk::aio {

/// What the simulated device does to requests. Probabilities are per million operations. kCall is
/// only delayed (it opens and closes files); kFdatasync is delayed and may fail or say EAGAIN.
struct SimOptions {
  std::uint64_t seed = 1;
  Nanoseconds min_latency = 0;  // every operation takes min..max, drawn uniformly
  Nanoseconds max_latency = 0;
  std::uint32_t fail_per_million = 0;   // finish with `fail_errno`, doing nothing
  std::int32_t fail_errno = 5;          // EIO
  std::uint32_t short_per_million = 0;  // reads and writes transfer a random part (at least 1 byte)
  std::uint32_t torn_per_million = 0;   // writes put a random part on disk, then fail_errno
  std::uint32_t again_per_million = 0;  // finish with EAGAIN, doing nothing
};

class SimEngine final : public Engine {
 public:
  SimEngine(const SimOptions& options, VirtualClock& clock);

  const char* name() const override { return "sim"; }
  void enqueue(IoOp* op) override;
  void submit() override;
  /// Executes what is due at the clock's time, in (due time, drawn order).
  void reap(IntrusiveList<IoOp>& done) override;
  void wait(Nanoseconds deadline) override;  // moves the clock to the next due time or the deadline
  void wake() override {}
  int poll_fd() const override { return -1; }
  std::size_t in_flight() const override { return pending_.size() + queued_.size(); }
  const EngineCounters& counters() const override { return counters_; }
  void cancel_all() override;
  bool stop(Nanoseconds deadline) override;

  /// When the next operation is due, or kNever.
  Nanoseconds next_due() const;
  /// Operations that submit() has not seen, so that nobody knows yet when they are due.
  bool has_unsubmitted() const override { return !queued_.empty(); }

 private:
  struct Pending {
    Nanoseconds due;
    std::uint64_t order;  // drawn: equal due times finish in seeded order
    IoOp* op;
  };
  /// For the heap functions, which keep the greatest in front.
  static bool later(const Pending& a, const Pending& b) {
    return a.due != b.due ? a.due > b.due : a.order > b.order;
  }

  std::uint64_t draw(std::uint64_t bound);
  bool happens(std::uint32_t per_million);
  void start(IoOp* op);
  std::int64_t perform(const IoOp& op);
  std::int64_t perform_part(const IoOp& op);

  SimOptions options_;
  VirtualClock& clock_;
  std::mt19937_64 random_;
  std::vector<Pending> pending_;  // heap by (due, order)
  IntrusiveList<IoOp> queued_;
  bool cancelled_ = false;
  EngineCounters counters_;
};

}  // namespace blk::aio
