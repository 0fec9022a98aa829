#include "block/limits.hpp"

#include <algorithm>

namespace blk::block {
namespace {

template <typename T>
T smallest_set(T a, T b) {
  if (a == 0 || b == 0) {
    return std::max(a, b);
  }
  return std::min(a, b);
}

}  // namespace

void merge_limits(Limits& parent, const Limits& child) {
  parent.request_alignment = std::max(parent.request_alignment, child.request_alignment);
  parent.memory_alignment = std::max(parent.memory_alignment, child.memory_alignment);
  parent.optimal_memory_alignment =
      std::max(parent.optimal_memory_alignment, child.optimal_memory_alignment);
  parent.optimal_transfer = std::max(parent.optimal_transfer, child.optimal_transfer);
  parent.max_transfer = smallest_set(parent.max_transfer, child.max_transfer);
  parent.max_iov = smallest_set(parent.max_iov, child.max_iov);
}

}  // namespace blk::block
