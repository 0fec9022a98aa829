// nbdQuestions, nbdAnswer: what JavaScript decides for clients of an NBD server.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "aio/peer.hpp"
#include "binding/exports.hpp"
#include "exports/nbd-server.hpp"

namespace blk::binding {
namespace {

using exports::NbdQuestion;
using exports::NbdQuestionKind;

void describe_peer(ObjectWriter& object, int socket) {
  const aio::SocketPeer peer = aio::peer_of(socket);
  if (peer.place.kind == aio::SocketKind::kInet) {
    object.set("host", peer.place.host);
    object.set("port", peer.place.port);
  } else {
    object.set("pid", peer.process);
    object.set("uid", peer.user);
    object.set("gid", peer.group);
  }
}

// What is asked for TLS carries a descriptor of the client's socket, which is lib/'s from then on:
// ours stays, so that hanging up goes on to work.
Napi::Object describe(Napi::Env env, const NbdQuestion& question) {
  const bool secures = question.kind == NbdQuestionKind::kSecure;
  ObjectWriter object(env);
  object.set("client", question.client);
  object.set("secures", secures);
  object.set("exportName", question.export_name);
  if (secures) {
    object.set("socket", ::fcntl(question.socket, F_DUPFD_CLOEXEC, 0));
  }
  describe_peer(object, question.socket);
  return object.object();
}

// nbdQuestions(server): those that were not taken yet.
Napi::Value questions(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  exports::NbdServer* server = environment_of(info).nbd_servers.find(number_at(info, 0));
  std::vector<const NbdQuestion*> taken;
  if (server != nullptr && is_readable(env)) {
    taken = server->questions().take();
  }
  return {env, array_of(env, taken.size(), [&](std::size_t index) -> napi_value {
            return describe(env, *taken[index]);
          })};
}

// nbdAnswer(server, client, error): 0, or ESRCH when the client waits no more.
Napi::Value answer(const Napi::CallbackInfo& info) {
  exports::NbdServer* server = environment_of(info).nbd_servers.find(number_at(info, 0));
  const auto client = static_cast<std::uint64_t>(number_at(info, 1));
  if (server == nullptr || !server->questions().is_asked(client)) {
    return errno_value(info, -ESRCH);
  }
  server->questions().answer(client, static_cast<int>(number_at(info, 2)));
  environment_of(info).ring().kick();
  return errno_value(info, 0);
}

// nbdAnswerSecured(server, client): the client goes on with one end of a pair of sockets; gives the
// other end, or a negative errno.
Napi::Value answer_secured(const Napi::CallbackInfo& info) {
  exports::NbdServer* server = environment_of(info).nbd_servers.find(number_at(info, 0));
  const auto client = static_cast<std::uint64_t>(number_at(info, 1));
  if (server == nullptr || !server->questions().is_asked(client)) {
    return errno_value(info, -ESRCH);
  }
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno_value(info, -errno);
  }
  server->questions().answer(client, pair[0]);
  environment_of(info).ring().kick();
  return Napi::Number::New(info.Env(), pair[1]);
}

}  // namespace

void export_nbd_questions(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nbdQuestions", questions);
  add_function(environment, exports, "nbdAnswer", answer);
  add_function(environment, exports, "nbdAnswerSecured", answer_secured);
}

}  // namespace blk::binding
