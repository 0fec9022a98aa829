// The result of a request at node level.
#pragma once

#include <cstdint>

namespace blk::block {

/// 0 or a negative errno, and the id of the node where it arose (0: not a node). Drivers just
/// return -errno; the node they belong to adds its id unless a node below already did.
struct Status {
  std::int32_t error = 0;
  std::uint32_t node = 0;

  Status() = default;
  Status(int code) : error(code) {}  // NOLINT(google-explicit-constructor): `return -EIO;`
  Status(int code, std::uint32_t node_id) : error(code), node(node_id) {}

  bool ok() const { return error >= 0; }
  Status at(std::uint32_t node_id) const {
    return ok() || node != 0 ? *this : Status(error, node_id);
  }
};

}  // namespace blk::block
