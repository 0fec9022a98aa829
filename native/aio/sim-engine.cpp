#include "aio/sim-engine.hpp"

#include <algorithm>
#include <cerrno>

#include "aio/worker-pool.hpp"

namespace blk::aio {

namespace {

std::size_t total_length(const IoOp& op) {
  std::size_t total = 0;
  for (std::uint32_t i = 0; i < op.iovcnt; ++i) {
    total += op.iov[i].iov_len;
  }
  return total;
}

std::vector<iovec> first_bytes(const IoOp& op, std::size_t bytes) {
  std::vector<iovec> part;
  for (std::uint32_t i = 0; i < op.iovcnt && bytes > 0; ++i) {
    const std::size_t length = std::min(bytes, op.iov[i].iov_len);
    part.push_back({op.iov[i].iov_base, length});
    bytes -= length;
  }
  return part;
}

}  // namespace

SimEngine::SimEngine(const SimOptions& options, VirtualClock& clock)
    : options_(options), clock_(clock), random_(options.seed) {}

void SimEngine::enqueue(IoOp* op) {
  ++counters_.submitted[static_cast<std::size_t>(op->opcode)];
  queued_.push_back(op);
}

void SimEngine::submit() {
  while (IoOp* op = queued_.pop_front()) {
    start(op);
  }
}

void SimEngine::reap(IntrusiveList<IoOp>& done) {
  const Nanoseconds now = clock_.now();
  while (!pending_.empty() && pending_.front().due <= now) {
    std::pop_heap(pending_.begin(), pending_.end(), later);
    IoOp* op = pending_.back().op;
    pending_.pop_back();
    op->result = cancelled_ ? -ECANCELED : perform(*op);
    done.push_back(op);
  }
}

void SimEngine::wait(Nanoseconds deadline) {
  submit();
  const Nanoseconds next = std::min(next_due(), deadline);
  // With nothing to wait for there is no time to go to.
  if (next != kNever) {
    clock_.advance_to(next);
  }
}

void SimEngine::cancel_all() {
  cancelled_ = true;
  for (Pending& pending : pending_) {
    pending.due = clock_.now();
  }
  std::make_heap(pending_.begin(), pending_.end(), later);
}

// Operations only touch memory inside reap().
bool SimEngine::stop(Nanoseconds /*deadline*/) { return true; }

Nanoseconds SimEngine::next_due() const { return pending_.empty() ? kNever : pending_.front().due; }

// Uniform in [0, bound). Not the standard distribution: it differs between libraries, and a seed
// must mean the same everywhere.
std::uint64_t SimEngine::draw(std::uint64_t bound) {
  const std::uint64_t usable = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = random_();
  while (value >= usable) {
    value = random_();
  }
  return value % bound;
}

bool SimEngine::happens(std::uint32_t per_million) { return draw(1'000'000) < per_million; }

void SimEngine::start(IoOp* op) {
  const Nanoseconds spread = std::max<Nanoseconds>(options_.max_latency - options_.min_latency, 0);
  const auto extra = static_cast<Nanoseconds>(draw(static_cast<std::uint64_t>(spread) + 1));
  const Nanoseconds latency = cancelled_ || op->control ? 0 : options_.min_latency + extra;
  pending_.push_back({clock_.now() + latency, random_(), op});
  std::push_heap(pending_.begin(), pending_.end(), later);
}

std::int64_t SimEngine::perform(const IoOp& op) {
  // Peers live in real time.
  if (is_socket_op(op.opcode)) {
    return -ENOTSUP;
  }
  // A call opens or closes files: it is only late, never wrong.
  if (op.opcode == IoOpcode::kCall) {
    return execute_blocking(op);
  }
  if (happens(options_.again_per_million)) {
    return -EAGAIN;
  }
  if (happens(options_.fail_per_million)) {
    return -options_.fail_errno;
  }
  if (op.opcode == IoOpcode::kFdatasync) {
    return execute_blocking(op);
  }
  if (op.opcode == IoOpcode::kWrite && happens(options_.torn_per_million)) {
    perform_part(op);
    return -options_.fail_errno;
  }
  return happens(options_.short_per_million) ? perform_part(op) : execute_blocking(op);
}

// Transfers a random number of bytes from the start: at least one and less than all, unless the
// operation cannot be divided.
std::int64_t SimEngine::perform_part(const IoOp& op) {
  // What the kernel accepts with O_DIRECT, whatever the device's sector size.
  constexpr std::size_t kDirectGranule = 4096;
  const std::size_t granule = op.file->direct ? kDirectGranule : 1;
  const std::size_t granules = total_length(op) / granule;
  if (granules < 2) {
    return execute_blocking(op);
  }
  const std::vector<iovec> part = first_bytes(op, granule * (1 + draw(granules - 1)));
  IoOp divided = op;
  divided.iov = part.data();
  divided.iovcnt = static_cast<std::uint32_t>(part.size());
  return execute_blocking(divided);
}

}  // namespace blk::aio
