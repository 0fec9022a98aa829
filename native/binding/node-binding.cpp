// nodeOpen, nodeClose, nodeInfo, nodeInFlight, nodeQuiesce, nodeSetChild.
#include <cerrno>
#include <utility>

#include "binding/control-request.hpp"
#include "binding/exports.hpp"
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

class CloseRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<BoundNode> bound;

 private:
  aio::Detached body() override {
    block::Status status = co_await bound->node->close();
    result = status.error;
    finish();
  }
};

block::Options options_from(Napi::Object object) {
  block::Options options;
  Napi::Array names = object.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    Napi::Value value = object.Get(name);
    if (value.IsBoolean()) {
      options.set(name, value.As<Napi::Boolean>().Value());
    } else if (value.IsNumber()) {
      options.set(name, value.As<Napi::Number>().Int64Value());
    } else if (value.IsString()) {
      options.set(name, value.As<Napi::String>().Utf8Value());
    }
  }
  return options;
}

block::NodeOptions node_options_from(Environment& environment, Napi::Object object) {
  block::NodeOptions options;
  options.name = object.Get("name").ToString().Utf8Value();
  options.id = environment.next_node_id++;
  options.read_only = object.Get("readOnly").ToBoolean().Value();
  options.no_flush = object.Get("noFlush").ToBoolean().Value();
  options.discard_unmap = object.Get("discardUnmap").ToBoolean().Value();
  return options;
}

double property(Napi::Object object, const char* name) {
  Napi::Value value = object.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
}

/// 0, or why a child cannot be attached.
int attach_children(Environment& environment, OpenRequest& request, Napi::Array children) {
  for (std::uint32_t i = 0; i < children.Length(); ++i) {
    auto child = children.Get(i).As<Napi::Object>();
    BoundNode* node = environment.nodes.find(property(child, "node"));
    if (node == nullptr) {
      return -EBADF;
    }
    if (node->home != request.where) {
      return -EXDEV;
    }
    auto edge = std::make_unique<block::Edge>();
    edge->node = node->node;
    edge->role = static_cast<block::ChildRole>(property(child, "role"));
    edge->permissions = static_cast<block::Permissions>(property(child, "permissions"));
    edge->shared = static_cast<block::Permissions>(property(child, "shared"));
    request.node->add_child(std::move(edge));
  }
  return 0;
}

void node_open(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new OpenRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->where = environment.contexts.share(number_at(info, 1));
  auto description = info[2].As<Napi::Object>();
  const std::string driver_name = description.Get("driver").ToString().Utf8Value();
  std::unique_ptr<block::Driver> driver = environment.drivers.create(driver_name);
  if (request->where == nullptr) {
    request->refuse(request->report.fail(-EBADF, "context-closed"));
    return;
  }
  if (driver == nullptr) {
    request->refuse(request->report.fail(-ENOENT, "driver-unknown", {{"driver", driver_name}}));
    return;
  }
  request->options = options_from(info[3].As<Napi::Object>());
  request->node = std::make_shared<block::Node>(request->where->aio(),
                                                node_options_from(environment, description),
                                                std::move(driver), environment.outbox());
  if (int error = attach_children(environment, *request, info[4].As<Napi::Array>()); error != 0) {
    const char* kind = error == -EXDEV ? "child-other-context" : "child-closed";
    request->refuse(request->report.fail(error, kind));
    return;
  }
  request->launch(*request->where);
}

void node_close(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new CloseRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->bound = environment.nodes.remove(number_at(info, 1));
  if (request->bound == nullptr) {
    request->refuse(-EBADF);
    return;
  }
  request->launch(*request->bound->home);
}

BoundNode* node_at(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  return environment.nodes.find(number_at(info, 0));
}

Napi::Value node_info(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  BoundNode* bound = node_at(info);
  if (bound == nullptr) {
    return result;
  }
  block::Node& node = *bound->node;
  block::Limits limits;
  block::DriverCounters counters;
  bound->home->run_and_wait([&] {
    limits = node.limits();
    counters = node.driver().counters();
  });
  result.Set("id", node.id());
  result.Set("length", static_cast<double>(node.length()));
  result.Set("inFlight", node.in_flight());
  result.Set("quiesce", node.quiesce_count());
  result.Set("variableLength", node.has_variable_length());
  result.Set("highestWrittenOffset", static_cast<double>(node.highest_written_offset()));
  result.Set("requestAlignment", limits.request_alignment);
  result.Set("memoryAlignment", limits.memory_alignment);
  result.Set("optimalMemoryAlignment", limits.optimal_memory_alignment);
  result.Set("maxTransfer", static_cast<double>(limits.max_transfer));
  result.Set("maxIov", limits.max_iov);
  result.Set("discardOk", static_cast<double>(counters.discard_ok));
  result.Set("discardFailed", static_cast<double>(counters.discard_failed));
  result.Set("discardBytesOk", static_cast<double>(counters.discard_bytes_ok));
  result.Set("bounced", static_cast<double>(counters.bounced));
  return result;
}

Napi::Value node_in_flight(const Napi::CallbackInfo& info) {
  BoundNode* bound = node_at(info);
  return Napi::Number::New(info.Env(), bound != nullptr ? bound->node->in_flight() : 0);
}

void node_quiesce(const Napi::CallbackInfo& info) {
  BoundNode* bound = node_at(info);
  if (bound == nullptr) {
    return;
  }
  if (info[1].ToBoolean().Value()) {
    bound->node->quiesce_begin();
  } else if (bound->node->quiesce_count() > 0) {
    bound->node->quiesce_end();
  }
}

Napi::Value node_set_child(const Napi::CallbackInfo& info) {
  BoundNode* bound = node_at(info);
  BoundNode* child = environment_of(info).nodes.find(number_at(info, 2));
  const auto index = static_cast<std::size_t>(number_at(info, 1));
  int error = 0;
  if (bound == nullptr || child == nullptr || index >= bound->node->children().size()) {
    error = -EBADF;
  } else if (bound->node->children()[index]->node != child->node &&
             (bound->node->quiesce_count() == 0 || bound->node->in_flight() != 0)) {
    error = -EBUSY;  // the graph never changes under a request
  } else if (child->home != bound->home) {
    error = -EXDEV;
  } else {
    block::Edge& edge = *bound->node->children()[index];
    edge.node = child->node;
    edge.permissions = static_cast<block::Permissions>(number_at(info, 3));
    edge.shared = static_cast<block::Permissions>(number_at(info, 4));
  }
  return Napi::Number::New(info.Env(), error);
}

}  // namespace

void export_nodes(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nodeOpen", node_open);
  add_function(environment, exports, "nodeClose", node_close);
  add_function(environment, exports, "nodeInfo", node_info);
  add_function(environment, exports, "nodeInFlight", node_in_flight);
  add_function(environment, exports, "nodeQuiesce", node_quiesce);
  add_function(environment, exports, "nodeSetChild", node_set_child);
}

}  // namespace blk::binding
