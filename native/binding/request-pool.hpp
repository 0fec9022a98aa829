// Records of requests from lib/, allocated in chunks and used again: the steady state allocates
// nothing. JavaScript thread only.
#pragma once

#include <memory>
#include <vector>

#include "aio/list.hpp"
#include "aio/runnable.hpp"
#include "binding/bound-request.hpp"

namespace blk::binding {

class RequestPool {
 public:
  BoundRequest* take();
  void give_back(BoundRequest* request);

 private:
  aio::IntrusiveList<aio::Runnable> free_;
  std::vector<std::unique_ptr<BoundRequest[]>> chunks_;
};

}  // namespace blk::binding
