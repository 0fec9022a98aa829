// The state of a machine, which lies beside a disk's data. A node without a place for it asks its
// primary child (MISC-5).
#include <cerrno>

#include "block/node.hpp"

namespace blk::block {

using aio::Task;

Task<Status> Node::save_vmstate(std::int64_t position, std::int64_t bytes, IoView data) {
  if (Status status = check_range(position, bytes); !status.ok()) {
    co_return status;
  }
  count();
  InFlight counted(*this);
  Status status(-ENOTSUP);
  if (driver_->has_vmstate()) {
    status = co_await driver_->save_vmstate(position, bytes, data);
    ++write_generation_;  // a flush makes it durable like any other write
  } else if (Edge* child = primary_child(); child != nullptr) {
    status = co_await child->node->save_vmstate(position, bytes, data);
  }
  co_return status.at(id());
}

Task<Status> Node::load_vmstate(std::int64_t position, std::int64_t bytes, IoView data) {
  if (Status status = check_range(position, bytes); !status.ok()) {
    co_return status;
  }
  count();
  InFlight counted(*this);
  Status status(-ENOTSUP);
  if (driver_->has_vmstate()) {
    status = co_await driver_->load_vmstate(position, bytes, data);
  } else if (Edge* child = primary_child(); child != nullptr) {
    status = co_await child->node->load_vmstate(position, bytes, data);
  }
  co_return status.at(id());
}

}  // namespace blk::block
