// nbdServerCreate, nbdServerListen, nbdServerInfo, nbdServerClose, socketPlace, keepAlive.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "aio/blocking.hpp"
#include "aio/listener.hpp"
#include "aio/peer.hpp"
#include "binding/control-request.hpp"
#include "binding/exports.hpp"
#include "exports/nbd-server.hpp"

namespace blk::binding {
namespace {

using exports::NbdServer;

constexpr double kMaxConnections = 65536;
constexpr double kMaxHandshake = 1e18;  // ns

// nbdServerCreate(context, { maxConnections, handshakeNs, tls, asksAdmission }): 0 for a context
// that is none.
Napi::Value server_create(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  const std::shared_ptr<HomedContext> home = environment.contexts.share(number_at(info, 0));
  if (home == nullptr || home->is_remote()) {
    return Napi::Number::New(info.Env(), 0);
  }
  exports::NbdServerOptions options;
  const ValueReader given(info[1]);
  options.max_connections = static_cast<std::uint32_t>(
      std::clamp(given["maxConnections"].number(), 0.0, kMaxConnections));
  options.handshake_time =
      static_cast<aio::Nanoseconds>(std::clamp(given["handshakeNs"].number(), 0.0, kMaxHandshake));
  options.policy.tls =
      static_cast<exports::NbdPolicy::Tls>(std::clamp(given["tls"].number(), 0.0, 2.0));
  options.policy.asks_admission = given["asksAdmission"].boolean();
  if (!is_readable(info.Env())) {
    return Napi::Number::New(info.Env(), 0);
  }
  const auto told = [](void* outbox) { static_cast<Outbox*>(outbox)->ask(); };
  auto server = std::make_shared<NbdServer>(home->aio(), options, told, &environment.outbox());
  return Napi::Number::New(info.Env(), environment.nbd_servers.insert(std::move(server)));
}

class ListenRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<NbdServer> server;
  aio::ListenAddress address;

 private:
  aio::Detached body() override {
    aio::UniqueFd socket;
    auto open = [this, &socket]() -> std::int64_t { return aio::open_listener(address, socket); };
    result = co_await aio::run_control(home->aio().engine(), open);
    if (result >= 0 && server->is_closing()) {
      result = -ECANCELED;
    }
    if (result >= 0) {
      server->listen(std::move(socket));
    }
    finish();
  }
};

// nbdServerListen(slot, server, main, { path, host, port, inherited }): completes with the port.
void server_listen(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request = new ListenRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->server = environment.nbd_servers.share(number_at(info, 1));
  const std::shared_ptr<HomedContext> home = environment.contexts.share(number_at(info, 2));
  if (request->server == nullptr || home == nullptr || home->is_remote()) {
    request->refuse(-EBADF);
    return;
  }
  const ValueReader address(info[3]);
  request->address.path = address["path"].string();
  request->address.host = address["host"].string();
  request->address.port =
      static_cast<std::uint16_t>(std::clamp(address["port"].number(), 0.0, 65535.0));
  request->address.inherited =
      static_cast<int>(std::clamp(address["inherited"].number(-1.0), -1.0, 2147483647.0));
  if (!is_readable(info.Env())) {
    request->refuse(-ECANCELED);
    return;
  }
  request->launch(*home);
}

class ServerCloseRequest final : public ControlRequest {
 public:
  using ControlRequest::ControlRequest;

  std::shared_ptr<NbdServer> server;

 private:
  // A coroutine by signature only: the server calls back.
  aio::Detached body() override {
    server->close([](void* self) { static_cast<ServerCloseRequest*>(self)->finish(); }, this);
    co_return;
  }
};

// nbdServerClose(slot, server, main): completes when nobody is connected any more. The handle is
// stale from here on.
void server_close(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  auto* request =
      new ServerCloseRequest(environment, static_cast<std::int32_t>(number_at(info, 0)));
  request->server = environment.nbd_servers.remove(number_at(info, 1));
  const std::shared_ptr<HomedContext> home = environment.contexts.share(number_at(info, 2));
  if (request->server == nullptr || home == nullptr) {
    request->refuse(-EBADF);
    return;
  }
  request->launch(*home);
}

Napi::Value server_info(const Napi::CallbackInfo& info) {
  const NbdServer* server = environment_of(info).nbd_servers.find(number_at(info, 0));
  ObjectWriter object(info.Env());
  object.set("connections", server != nullptr ? server->connections() : 0U);
  object.set("accepted", static_cast<double>(server != nullptr ? server->accepted() : 0U));
  return object.object();
}

// socketPlace(fd): { path } or { host, port } of a socket, or neither.
Napi::Value socket_place(const Napi::CallbackInfo& info) {
  const aio::SocketPlace place = aio::place_of(static_cast<int>(number_at(info, 0)));
  ObjectWriter object(info.Env());
  if (place.kind == aio::SocketKind::kUnix) {
    object.set("path", place.path);
  } else if (place.kind == aio::SocketKind::kInet) {
    object.set("host", place.host);
    object.set("port", place.port);
  }
  return object.object();
}

// keepAlive(on): as many as are on keep Node's loop from ending.
void keep_alive(const Napi::CallbackInfo& info) {
  Environment& environment = environment_of(info);
  environment.listening += boolean_at(info, 0) ? 1 : -1;
  environment.ring().kick();
}

}  // namespace

void export_nbd_servers(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nbdServerCreate", server_create);
  add_function(environment, exports, "nbdServerListen", server_listen);
  add_function(environment, exports, "nbdServerClose", server_close);
  add_function(environment, exports, "nbdServerInfo", server_info);
  add_function(environment, exports, "socketPlace", socket_place);
  add_function(environment, exports, "keepAlive", keep_alive);
}

}  // namespace blk::binding
