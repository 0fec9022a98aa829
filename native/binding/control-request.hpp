// A control call that waits (open, close): runs in a context's home, answers on a slot.
#pragma once

#include "binding/environment.hpp"

namespace blk::binding {

/// launch() sends it home, where body() runs and at its end calls finish(); then conclude() runs on
/// the JavaScript thread and the result goes to the slot. refuse() skips the home. The record frees
/// itself afterwards.
class ControlRequest : public BoundRequest {
 public:
  ControlRequest(Environment& environment, std::int32_t answer_slot) : environment_(environment) {
    slot = answer_slot;
    run = [](aio::Runnable* self) { static_cast<ControlRequest*>(self)->body(); };
    settle = [](BoundRequest* self) { static_cast<ControlRequest*>(self)->conclude(); };
    destroy = [](BoundRequest* self) { delete static_cast<ControlRequest*>(self); };
  }
  ControlRequest(const ControlRequest&) = delete;
  ControlRequest& operator=(const ControlRequest&) = delete;
  virtual ~ControlRequest() = default;

  void launch(HomedContext& target) {
    home = &target;
    environment_.ring().add(this);
    target.run(this);
    environment_.ring().kick();
  }

  /// Answers `error` without having been home.
  void refuse(int error) {
    result = error;
    environment_.ring().add(this);
    environment_.ring().finish_here(this);
    environment_.ring().kick();
  }

 protected:
  /// Home thread; at its end finish().
  virtual aio::Detached body() = 0;
  /// JavaScript thread, also at teardown: no Node-API.
  virtual void conclude() {}

  void finish() { home->finished(this); }

  Environment& environment_;
};

}  // namespace blk::binding
