// What JavaScript decides for clients that negotiate: a client asks, and waits for the answer.
//
//   client: co_await ask() -> told() -> lib/ takes it, decides -> answer() -> the client goes on
//
// JavaScript thread only.
#pragma once

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "aio/context.hpp"
#include "aio/file.hpp"
#include "aio/runnable.hpp"

namespace blk::exports {

class NbdQuestions;

enum class NbdQuestionKind : std::uint8_t {
  kSecure,  // the handshake of TLS; the answer is a socket with what the client says in plain
  kAdmit,   // whether the client may use an export
};

/// Lives in the coroutine that waits: `co_await questions.ask(...)` gives 0 or a negative errno.
class NbdQuestion : public aio::Runnable {
 public:
  NbdQuestion(NbdQuestions& questions, NbdQuestionKind what, std::uint64_t who, int client_socket,
              std::string name)
      : aio::Runnable([](aio::Runnable* self) { static_cast<NbdQuestion*>(self)->go_on(); }),
        kind(what),
        client(who),
        socket(client_socket),
        export_name(std::move(name)),
        questions_(questions) {}

  const NbdQuestionKind kind;
  const std::uint64_t client;  // number of the connection in its server
  const int socket;            // the client's; the connection keeps it
  const std::string export_name;
  bool is_taken = false;
  int result = 0;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller);
  int await_resume() const noexcept { return result; }

 private:
  void go_on() { waiter_.resume(); }

  NbdQuestions& questions_;
  std::coroutine_handle<> waiter_;
};

/// The questions of one server: one at a time for each client.
class NbdQuestions {
 public:
  /// `told` is called when there is one to take.
  NbdQuestions(aio::AioContext& context, void (*told)(void*), void* owner)
      : context_(context), told_(told), owner_(owner) {}
  NbdQuestions(const NbdQuestions&) = delete;
  NbdQuestions& operator=(const NbdQuestions&) = delete;

  /// ECANCELED when the client is hung up before there is an answer.
  NbdQuestion ask(NbdQuestionKind kind, std::uint64_t client, int socket, std::string name = {}) {
    return {*this, kind, client, socket, std::move(name)};
  }
  /// Those that were not taken before.
  std::vector<const NbdQuestion*> take();
  bool is_asked(std::uint64_t client) const { return find(client) != asked_.end(); }
  /// Nothing when it is not asked any more.
  void answer(std::uint64_t client, int result);
  void cancel(std::uint64_t client) { answer(client, -ECANCELED); }

 private:
  friend class NbdQuestion;

  std::vector<NbdQuestion*>::const_iterator find(std::uint64_t client) const {
    return std::find_if(asked_.begin(), asked_.end(),
                        [client](const NbdQuestion* item) { return item->client == client; });
  }
  void add(NbdQuestion& question) {
    asked_.push_back(&question);
    told_(owner_);
  }

  aio::AioContext& context_;
  void (*const told_)(void*);
  void* const owner_;
  std::vector<NbdQuestion*> asked_;
};

inline void NbdQuestion::await_suspend(std::coroutine_handle<> caller) {
  waiter_ = caller;
  questions_.add(*this);
}

inline std::vector<const NbdQuestion*> NbdQuestions::take() {
  std::vector<const NbdQuestion*> taken;
  for (NbdQuestion* question : asked_) {
    if (!std::exchange(question->is_taken, true)) {
      taken.push_back(question);
    }
  }
  return taken;
}

inline void NbdQuestions::answer(std::uint64_t client, int result) {
  const auto found = find(client);
  if (found == asked_.end()) {
    return;
  }
  NbdQuestion* question = *found;
  asked_.erase(found);
  question->result = result;
  context_.schedule(question);
}

}  // namespace blk::exports
