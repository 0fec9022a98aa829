// nodeOpen, nodeClose, nodeInfo, nodeInFlight, nodeQuiesce.
#include <cerrno>
#include <utility>

#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "binding/node-options.hpp"
#include "block/node.hpp"

namespace blk::binding {
namespace {

class OpenRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<HomedContext> where;
  std::shared_ptr<block::Node> node;
  block::Options options;
  block::ErrorReport report;

 private:
  aio::Detached body() override {
    block::Status status = co_await node->open(options, report);
    result = status.error;
    failed_node = status.node;
    finish();
  }

  void conclude() override {
    if (result >= 0) {
      result = static_cast<std::int64_t>(environment_.nodes.insert(
          std::make_shared<BoundNode>(std::move(where), std::move(node))));
    } else {
      report.error = static_cast<std::int32_t>(result);
      environment_.reports[slot] = std::move(report);
    }
  }
};

class NodeCloseRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<BoundNode> bound;

 private:
  aio::Detached body() override {
    // Nobody is left to be told of a failure (LC-19).
    co_await bound->node->flush();
    block::Status status = co_await bound->node->close();
    result = status.error;
    finish();
  }
};

block::NodeOptions node_options_from(Environment& environment, const ValueReader& object) {
  block::NodeOptions options;
  options.name = object["name"].string();
  options.id = environment.next_node_id++;
  options.state = node_state_from(object);
  return options;
}

/// 0, or why a child cannot be attached.
int attach_children(Environment& environment, OpenRequest& request, const ValueReader& children) {
  for (const ValueReader& child : children.elements()) {
    BoundNode* node = environment.nodes.find(child["node"].number());
    if (node == nullptr) {
      return -EBADF;
    }
    if (node->home != request.where) {
      return -EXDEV;
    }
    auto edge = std::make_unique<block::Edge>();
    edge->key = static_cast<std::uint32_t>(child["key"].number());
    edge->node = node->node;
    edge->role = static_cast<block::ChildRole>(child["role"].number());
    edge->permissions = static_cast<block::Permissions>(child["permissions"].number());
    edge->shared = static_cast<block::Permissions>(child["shared"].number());
    request.node->add_child(std::move(edge));
  }
  return 0;
}

void node_open(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new OpenRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->where = environment.contexts.share(number_at(info, 1));
  const ValueReader description(info[2]);
  const std::string driver_name = description["driver"].string();
  std::unique_ptr<block::Driver> driver = environment.drivers.create(driver_name);
  if (request->where == nullptr) {
    request->refuse(request->report.fail(-EBADF, "context-closed"));
    return;
  }
  if (driver == nullptr) {
    request->refuse(request->report.fail(-ENOENT, "driver-unknown", {{"driver", driver_name}}));
    return;
  }
  request->options = options_from(ValueReader(info[3]));
  request->node = std::make_shared<block::Node>(request->where->aio(),
                                                node_options_from(environment, description),
                                                std::move(driver), environment.outbox());
  if (int error = attach_children(environment, *request, ValueReader(info[4])); error != 0) {
    const char* kind = error == -EXDEV ? "child-other-context" : "child-closed";
    request->refuse(request->report.fail(error, kind));
    return;
  }
  if (!is_readable(info.Env())) {
    request->refuse(-ECANCELED);  // a driver without the children that it needs
    return;
  }
  request->launch(*request->where);
}

void node_close(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new NodeCloseRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->bound = environment.nodes.remove(number_at(info, 1));
  if (request->bound == nullptr) {
    request->refuse(-EBADF);
    return;
  }
  BoundNode& bound = *request->bound;
  if (bound.group != nullptr) {
    std::exchange(bound.group, nullptr)->leave(*bound.node->driver().throttle(), *bound.home);
  }
  request->launch(*bound.home);
}

BoundNode* node_at(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.nodes.find(number_at(info, 0));
}

Napi::Value node_info(const Napi::CallbackInfo& info) {
  ObjectWriter result(info.Env());
  BoundNode* bound = node_at(info);
  if (bound == nullptr) {
    return result.object();
  }
  block::Node& node = *bound->node;
  block::Limits limits;
  block::DriverCounters counters;
  bool has_zero_init = false;
  std::int64_t cluster_size = 0;
  bound->home->run_and_wait([&] {
    limits = node.limits();
    has_zero_init = node.has_zero_init();
    cluster_size = node.driver().cluster_size();
    counters = node.driver().counters();
  });
  result.set("id", node.id());
  result.set("length", node.length());
  result.set("inFlight", node.in_flight());
  result.set("quiesce", node.quiesce_count());
  result.set("variableLength", node.has_variable_length());
  result.set("highestWrittenOffset", node.highest_written_offset());
  result.set("writeThreshold", node.write_threshold());
  result.set("hasZeroInit", has_zero_init);
  result.set("clusterSize", cluster_size);
  result.set("requestAlignment", limits.request_alignment);
  result.set("memoryAlignment", limits.memory_alignment);
  result.set("optimalMemoryAlignment", limits.optimal_memory_alignment);
  result.set("maxTransfer", limits.max_transfer);
  result.set("maxIov", limits.max_iov);
  result.set("discardOk", counters.discard_ok);
  result.set("discardFailed", counters.discard_failed);
  result.set("discardBytesOk", counters.discard_bytes_ok);
  result.set("bounced", counters.bounced);
  return result.object();
}

// nodeInFlight(node): what a section waits for.
Napi::Value node_in_flight(const Napi::CallbackInfo& info) {
  BoundNode* bound = node_at(info);
  return Napi::Number::New(info.Env(), bound != nullptr ? bound->node->busy() : 0);
}

// nodeQuiesce(node, begin): counted at once; the driver is told at home.
void node_quiesce(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<BoundNode> bound = environment.nodes.share(number_at(info, 0));
  if (bound == nullptr) {
    return;
  }
  const bool begin = boolean_at(info, 1);
  if (!begin && bound->node->quiesce_count() == 0) {
    return;
  }
  if (begin) {
    bound->node->quiesce_begin();
  } else {
    bound->node->quiesce_end();
  }
  if (bound->node->driver().has_drain_hooks()) {
    bound->node->expect_drain_hook();
    post_release(*bound->home, [bound, begin] { bound->node->run_drain_hook(begin); });
    environment.ring().kick();  // what it let go runs on
  }
}

}  // namespace

void export_nodes(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nodeOpen", node_open);
  add_function(environment, exports, "nodeClose", node_close);
  add_function(environment, exports, "nodeInfo", node_info);
  add_function(environment, exports, "nodeInFlight", node_in_flight);
  add_function(environment, exports, "nodeQuiesce", node_quiesce);
}

}  // namespace blk::binding
