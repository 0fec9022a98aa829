#include "block/direct-transfer.hpp"

#include "block/node.hpp"

namespace blk::block {

// How many nodes it passes, to the last of which `transfer` has come then; 0 when that takes
// coroutines.
std::size_t DirectTransfer::find_way(const Edge& root, Transfer& transfer, Offsets& offsets) {
  const Edge* via = &root;
  for (std::size_t index = 0; index < kMaxNodes; ++index) {
    Node& node = *via->node;
    hops_[index].node = &node;
    offsets[index] = transfer.offset;
    const DirectStep step = node.direct_step(*via, transfer);
    if (step.passage != Passage::kChild) {
      return step.passage == Passage::kHere ? index + 1 : 0;
    }
    transfer.offset = step.offset;
    via = step.child;
  }
  return 0;
}

bool DirectTransfer::try_start(const Edge& root, Transfer& transfer, Request& request, Done done) {
  Offsets offsets;
  nodes_ = find_way(root, transfer, offsets);
  if (nodes_ == 0) {
    return false;
  }
  is_write_ = transfer.is_write;
  request_ = &request;
  done_ = done;
  for (std::size_t index = 0; index < nodes_; ++index) {
    Hop& hop = hops_[index];
    hop.node->begin_direct(is_write_, offsets[index], transfer.bytes, hop.tracked);
  }
  hops_[nodes_ - 1].node->driver().start_direct(transfer, *this);
  return true;
}

void DirectTransfer::enqueue(aio::Engine& engine, aio::File& file, const Transfer& transfer) {
  auto& operation = carrier_.emplace<Operation>(*this);
  operation.opcode = transfer.is_write ? aio::IoOpcode::kWrite : aio::IoOpcode::kRead;
  operation.file = &file;
  operation.iov = transfer.data.iov;
  operation.iovcnt = transfer.data.count;
  operation.region = transfer.data.region;
  operation.offset = transfer.offset;
  operation.done = [](aio::IoOp* op) {
    auto* self = static_cast<Operation*>(op);
    self->owner.ended(*self);
  };
  engine.enqueue(&operation);
}

void DirectTransfer::sleep_until(aio::AioContext& context, aio::Nanoseconds deadline) {
  context.timers().arm(carrier_.emplace<Sleep>(*this), deadline);
}

void DirectTransfer::ended(const Operation& operation) {
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): it runs until end()
  const TrackedRequest& tracked = *hops_[nodes_ - 1].tracked;
  if (operation.result == tracked.bytes()) {
    end(Status());
    return;
  }
  Transfer transfer;
  transfer.is_write = is_write_;
  transfer.offset = tracked.offset();
  transfer.bytes = tracked.bytes();
  transfer.data = IoView(operation.iov, operation.iovcnt, operation.region);
  finish(transfer, operation.result);
}

// Interrupted, partial, refused, or at the end of the file.
aio::Detached DirectTransfer::finish(Transfer transfer, std::int64_t result) {
  const Status status = co_await hops_[nodes_ - 1].node->driver().finish_direct(transfer, result);
  end(status);
}

void DirectTransfer::end(Status status) {
  for (std::size_t index = nodes_; index-- > 0;) {
    Hop& hop = hops_[index];
    status = status.at(hop.node->id());
    hop.node->end_direct(is_write_, status, hop.tracked);
  }
  done_(*request_, status);
}

}  // namespace blk::block
