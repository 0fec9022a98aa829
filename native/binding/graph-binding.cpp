// Changes of the graph: nodeSetChild, nodeSetState, nodeCheckPermissions, nodeSettlePermissions,
// nodeReopenPrepare, nodeReopenSettle, nodeRefresh, nodeFlush, nodeAllocatedSize, nodeCommit,
// nodeInactivate, nodeInvalidate, nodeControl, graphMove.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "binding/failure.hpp"
#include "binding/node-options.hpp"
#include "block/node.hpp"

namespace blk::binding {
namespace {

std::shared_ptr<BoundNode> node_at(const Napi::CallbackInfo& info, std::size_t index) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.nodes.share(number_at(info, index));
}

Napi::Value errno_value(const Napi::CallbackInfo& info, int error) {
  return Napi::Number::New(info.Env(), error);
}

// --- edges

bool is_quiet(const block::Node& node) {
  return node.quiesce_count() != 0 && node.in_flight() == 0;
}

/// Home thread.
void set_edge(block::Node& parent, std::uint32_t key, block::Edge wanted) {
  block::Edge* edge = parent.child(key);
  parent.move_plugs(edge != nullptr ? edge->node.get() : nullptr, wanted.node.get());
  if (wanted.node == nullptr) {
    parent.remove_child(key);
  } else if (edge == nullptr) {
    parent.add_child(std::make_unique<block::Edge>(std::move(wanted)));
  } else {
    *edge = std::move(wanted);
  }
  parent.driver().children_changed(parent);
}

// nodeSetChild(node, key, role, child, permissions, shared): where the edge leads and what it
// grants; no child: the edge goes. A change of permissions alone is a message like any other, so it
// takes effect after the requests that were made before it.
Napi::Value node_set_child(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  block::Edge wanted;
  wanted.key = static_cast<std::uint32_t>(number_at(info, 1));
  wanted.role = static_cast<block::ChildRole>(number_at(info, 2));
  wanted.permissions = static_cast<block::Permissions>(number_at(info, 4));
  wanted.shared = static_cast<block::Permissions>(number_at(info, 5));
  if (number_at(info, 3) != 0) {
    const BoundNode* child = environment_of(info).nodes.find(number_at(info, 3));
    if (child == nullptr || child->home != bound->home) {
      return errno_value(info, child == nullptr ? -EBADF : -EXDEV);
    }
    wanted.node = child->node;
  }
  // The vector of edges changes only in calls like this one, for which this thread waits.
  const block::Edge* edge = bound->node->child(wanted.key);
  const block::Node* before = edge != nullptr ? edge->node.get() : nullptr;
  if (before == wanted.node.get()) {
    if (before != nullptr) {
      post_call(*bound->home, [bound, wanted] {
        block::Edge* same = bound->node->child(wanted.key);
        same->role = wanted.role;
        same->permissions = wanted.permissions;
        same->shared = wanted.shared;
      });
    }
    return errno_value(info, 0);
  }
  if (!is_quiet(*bound->node)) {
    return errno_value(info, -EBUSY);  // the graph never changes under a request
  }
  const std::uint32_t key = wanted.key;
  bound->home->run_and_wait([&] { set_edge(*bound->node, key, std::move(wanted)); });
  return errno_value(info, 0);
}

// nodeSetState(node, state)
void node_set_state(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr) {
    return;
  }
  const block::NodeState state = node_state_from(ValueReader(info[1]));
  post_call(*bound->home, [bound, state] { bound->node->set_state(state); });
}

// --- permissions

// nodeCheckPermissions(node, permissions, shared): 0 or why not.
Napi::Value node_check_permissions(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  block::ErrorReport report;
  const int error = bound->node->driver().check_permissions(
      static_cast<block::Permissions>(number_at(info, 1)),
      static_cast<block::Permissions>(number_at(info, 2)), report);
  if (error == 0) {
    return errno_value(info, 0);
  }
  report.error = error;
  return failure(info.Env(), report);
}

// nodeSettlePermissions(node, commit)
void node_settle_permissions(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr) {
    return;
  }
  if (boolean_at(info, 1)) {
    bound->node->driver().set_permissions();
  } else {
    bound->node->driver().abort_permissions();
  }
}

// --- calls that wait

/// One that runs a coroutine of the node: `start` makes it.
class NodeRequest final : public ControlRequest {
 public:
  using Start = aio::Task<block::Status> (*)(NodeRequest&);
  NodeRequest(Environment& environment, std::int32_t answer_slot, Start start)
      : ControlRequest(environment, answer_slot), start_(start) {}

  std::shared_ptr<BoundNode> bound;
  block::ReopenRequest reopen;
  block::ErrorReport why;
  std::int64_t value = 0;  // the answer of one that succeeds
  bool counts = false;     // it comes at any time, and not from within a change of the graph

 private:
  aio::Detached body() override {
    block::Status status = co_await start_(*this);
    if (counts) {
      bound->node->call_ended();
    }
    result = status.ok() ? value : status.error;
    failed_node = status.node;
    finish();
  }

  void conclude() override {
    if (result < 0) {
      why.error = static_cast<std::int32_t>(result);
      environment_.reports[slot] = std::move(why);
    }
  }

  Start start_;
};

/// slot, node, ...
void launch(const Napi::CallbackInfo& info, std::unique_ptr<NodeRequest> request) {
  request->bound = node_at(info, 1);
  NodeRequest* launched = request.release();  // frees itself when it is done
  if (launched->bound == nullptr) {
    launched->refuse(-EBADF);
    return;
  }
  if (launched->counts) {
    launched->bound->node->expect_call();
  }
  launched->launch(*launched->bound->home);
}

/// For calls that anybody may make while the graph changes.
void launch_counted(const Napi::CallbackInfo& info, std::unique_ptr<NodeRequest> request) {
  request->counts = true;
  launch(info, std::move(request));
}

std::unique_ptr<NodeRequest> node_request(const Napi::CallbackInfo& info,
                                          NodeRequest::Start start) {
  return std::make_unique<NodeRequest>(environment_of(info),
                                       static_cast<std::int32_t>(number_at(info, 0)), start);
}

void node_refresh(const Napi::CallbackInfo& info) {
  launch(info, node_request(info, [](NodeRequest& self) { return self.bound->node->refresh(); }));
}

void node_flush(const Napi::CallbackInfo& info) {
  launch_counted(info,
                 node_request(info, [](NodeRequest& self) { return self.bound->node->flush(); }));
}

aio::Task<block::Status> find_allocated_size(NodeRequest& self) {
  self.value = co_await self.bound->node->allocated_size();
  const auto error = static_cast<std::int32_t>(std::min<std::int64_t>(0, self.value));
  co_return block::Status(error, self.bound->node->id());
}

void node_allocated_size(const Napi::CallbackInfo& info) {
  launch_counted(info, node_request(info, find_allocated_size));
}

void node_inactivate(const Napi::CallbackInfo& info) {
  launch(info,
         node_request(info, [](NodeRequest& self) { return self.bound->node->inactivate(); }));
}

void node_invalidate(const Napi::CallbackInfo& info) {
  launch(info, node_request(
                   info, [](NodeRequest& self) { return self.bound->node->invalidate(self.why); }));
}

void node_commit(const Napi::CallbackInfo& info) {
  launch(info, node_request(info, [](NodeRequest& self) { return self.bound->node->commit(); }));
}

// nodeReopenPrepare(slot, node, options, readOnly, wantsWrite)
void node_reopen_prepare(const Napi::CallbackInfo& info) {
  auto request = node_request(info, [](NodeRequest& self) {
    return self.bound->node->driver().reopen_prepare(self.reopen, self.why);
  });
  request->reopen.options = options_from(ValueReader(info[2]));
  request->reopen.read_only = boolean_at(info, 3);
  request->reopen.wants_write = boolean_at(info, 4);
  if (!is_readable(info.Env())) {
    request.release()->refuse(-ECANCELED);  // options are missing
    return;
  }
  launch(info, std::move(request));
}

// nodeReopenSettle(node, commit): in the home, waiting for it.
Napi::Value node_reopen_settle(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr || !is_quiet(*bound->node)) {
    return errno_value(info, bound == nullptr ? -EBADF : -EBUSY);
  }
  const bool commit = boolean_at(info, 1);
  bound->home->run_and_wait([&] {
    block::Driver& driver = bound->node->driver();
    commit ? driver.reopen_commit() : driver.reopen_abort();
  });
  environment_of(info).ring().kick();  // a worker closes the descriptor that is left over
  return errno_value(info, 0);
}

// nodeControl(node, command, argument): a driver's own controls, in the home, waiting for it.
Napi::Value node_control(const Napi::CallbackInfo& info) {
  std::shared_ptr<BoundNode> bound = node_at(info, 0);
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  const std::string command = ValueReader(info[1]).string();
  const std::string argument = ValueReader(info[2]).string();
  std::int64_t result = 0;
  bound->home->run_and_wait([&] { result = bound->node->driver().control(command, argument); });
  environment_of(info).ring().kick();  // what it let go runs on
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

// --- contexts

bool is_quiet(const block::Backend& backend) {
  return backend.quiesce_count() != 0 && backend.in_flight() == 0;
}

void change_home(std::shared_ptr<HomedContext>& home, const std::shared_ptr<HomedContext>& to) {
  --home->users;
  home = to;
  ++home->users;
}

/// The queue moves with its backend: whoever wakes it, answers through the new home.
void adopt_parked(const block::Backend& backend, HomedContext& home) {
  backend.for_each_parked([&home](block::Request& request) {
    if (request.from_script) {
      static_cast<BoundRequest&>(request).home = &home;
    }
  });
}

/// 0, or EXDEV: a throttle group would have members in different clocks. The members that move are
/// then spread over two homes for a while, which a group that is shared bears.
int prepare_groups(const std::vector<std::shared_ptr<BoundNode>>& nodes,
                   const std::vector<std::shared_ptr<BoundBackend>>& backends,
                   const std::shared_ptr<HomedContext>& to) {
  int error = 0;
  const auto prepare = [&](const auto& bound) {
    if (error == 0 && bound->group != nullptr) {
      error = bound->group->prepare_move(to);
    }
  };
  std::for_each(nodes.begin(), nodes.end(), prepare);
  std::for_each(backends.begin(), backends.end(), prepare);
  return error;
}

// graphMove(nodes, backends, context): EBUSY unless all of them are quiesced with nothing in
// flight. First everything leaves its old home, which forgets files and buffers there; this thread
// waits for each, and so for every message sent before. Then everything enters the new one.
Napi::Value graph_move(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<HomedContext> to = environment.contexts.share(number_at(info, 2));
  std::vector<std::shared_ptr<BoundNode>> nodes;
  std::vector<std::shared_ptr<BoundBackend>> backends;
  for (const ValueReader& handle : ValueReader(info[0]).elements()) {
    nodes.push_back(environment.nodes.share(handle.number()));
    if (nodes.back() == nullptr || !is_quiet(*nodes.back()->node)) {
      return errno_value(info, nodes.back() == nullptr ? -EBADF : -EBUSY);
    }
  }
  for (const ValueReader& handle : ValueReader(info[1]).elements()) {
    backends.push_back(environment.backends.share(handle.number()));
    if (backends.back() == nullptr || !is_quiet(backends.back()->backend)) {
      return errno_value(info, backends.back() == nullptr ? -EBADF : -EBUSY);
    }
  }
  if (to == nullptr) {
    return errno_value(info, -EBADF);
  }
  if (!is_readable(info.Env())) {
    return errno_value(info, -ECANCELED);  // half a graph must not move
  }
  if (int error = prepare_groups(nodes, backends, to); error != 0) {
    return errno_value(info, error);
  }
  for (const auto& bound : nodes) {
    bound->home->run_and_wait([&] { bound->node->leave_context(); });
    change_home(bound->home, to);
  }
  for (const auto& bound : backends) {
    bound->home->run_and_wait([&] { bound->backend.leave_context(); });
    change_home(bound->home, to);
  }
  to->run_and_wait([&] {
    for (const auto& bound : nodes) {
      bound->node->enter_context(to->aio());
    }
    for (const auto& bound : backends) {
      bound->backend.move_to(to->aio());
      adopt_parked(bound->backend, *to);
    }
  });
  return errno_value(info, 0);
}

}  // namespace

void export_graph(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nodeSetChild", node_set_child);
  add_function(environment, exports, "nodeSetState", node_set_state);
  add_function(environment, exports, "nodeCheckPermissions", node_check_permissions);
  add_function(environment, exports, "nodeSettlePermissions", node_settle_permissions);
  add_function(environment, exports, "nodeRefresh", node_refresh);
  add_function(environment, exports, "nodeFlush", node_flush);
  add_function(environment, exports, "nodeAllocatedSize", node_allocated_size);
  add_function(environment, exports, "nodeCommit", node_commit);
  add_function(environment, exports, "nodeInactivate", node_inactivate);
  add_function(environment, exports, "nodeInvalidate", node_invalidate);
  add_function(environment, exports, "nodeReopenPrepare", node_reopen_prepare);
  add_function(environment, exports, "nodeReopenSettle", node_reopen_settle);
  add_function(environment, exports, "nodeControl", node_control);
  add_function(environment, exports, "graphMove", graph_move);
}

}  // namespace blk::binding
