// From a descriptor in shared memory to a request: finds the backend and the memory it names.
// Whatever does not lie wholly inside a known region is refused, so that a bug in lib/ cannot make
// the kernel write elsewhere. JavaScript thread only.
#pragma once

#include <cstdint>
#include <span>

#include "binding/bound-request.hpp"
#include "binding/protocol.hpp"

namespace blk::binding {

class Environment;

class SubmissionReader {
 public:
  explicit SubmissionReader(Environment& environment) : environment_(environment) {}

  /// Fills `request` from the first descriptors of `waiting` and returns how many it took, at least
  /// one. A request that cannot run has no home, no backend and its error as the result.
  std::uint32_t read(std::span<const Descriptor> waiting, BoundRequest& request);

 private:
  void prepare(BoundRequest& request, const Descriptor& descriptor);
  int find_target(BoundRequest& request, const Descriptor& descriptor);
  int find_memory(BoundRequest& request, std::span<const Descriptor> waiting, std::uint32_t& used);
  int find_single(BoundRequest& request, const Descriptor& descriptor);
  int add_buffer(BoundRequest& request, std::uint32_t region, double offset, double length);

  Environment& environment_;
};

}  // namespace blk::binding
