// A read or write that no coroutine carries, because every node on its way only shifts it.
//
//   Backend --try_start--> top node: only a shift? -> next node ... -> last driver: start_direct()
//                              | no, at any of them: nothing has happened, coroutines carry it
//   done  <-- end on every node, from below to above <-- its result <-- engine or timer
//
// It is part of its request, so on its way nothing is allocated. It counts, and is tracked, on
// every node like any other request. Home thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "aio/context.hpp"
#include "aio/engine.hpp"
#include "aio/task.hpp"
#include "aio/timer.hpp"
#include "block/flags.hpp"
#include "block/io-view.hpp"
#include "block/status.hpp"
#include "block/tracked-request.hpp"

namespace blk::block {

class Node;
struct Edge;
struct Request;

/// A read or write, as the node sees it that it has come to.
struct Transfer {
  bool is_write = false;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
  IoView data;
  RequestFlags flags = 0;
};

/// What a node or a driver does to a transfer.
enum class Passage : std::uint8_t {
  kCoroutine,  // more than can be said here
  kChild,      // its child has the bytes, at another offset
  kHere,       // it has the bytes itself: start_direct()
};

struct DirectStep {
  Passage passage = Passage::kCoroutine;
  const Edge* child = nullptr;
  std::int64_t offset = 0;  // there
};

class DirectTransfer {
 public:
  using Done = void (*)(Request& request, const Status& status);

  DirectTransfer() = default;
  DirectTransfer(const DirectTransfer&) = delete;
  DirectTransfer& operator=(const DirectTransfer&) = delete;

  /// False: nothing has happened. True: it is under way, and `done` will be called once for
  /// `request`, never from inside of this call.
  bool try_start(const Edge& root, Transfer& transfer, Request& request, Done done);

  // --- for start_direct() of the last driver: one of the two, once
  /// The engine carries it out. What it does not do whole goes to Driver::finish_direct().
  void enqueue(aio::Engine& engine, aio::File& file, const Transfer& transfer);
  /// Nothing is transferred, at that time.
  void sleep_until(aio::AioContext& context, aio::Nanoseconds deadline);

 private:
  /// Raw over a file. Longer ways are rare, and theirs are the coroutines.
  static constexpr std::size_t kMaxNodes = 2;

  struct Hop {
    Node* node = nullptr;
    std::optional<TrackedRequest> tracked;
  };
  struct Operation : aio::IoOp {
    explicit Operation(DirectTransfer& direct) : owner(direct) {}
    DirectTransfer& owner;
  };
  struct Sleep : aio::Timer {
    explicit Sleep(DirectTransfer& direct)
        : Timer([](aio::Runnable* self) { static_cast<Sleep*>(self)->owner.end(Status()); }),
          owner(direct) {}
    DirectTransfer& owner;
  };

  using Offsets = std::array<std::int64_t, kMaxNodes>;

  std::size_t find_way(const Edge& root, Transfer& transfer, Offsets& offsets);
  void ended(const Operation& operation);
  aio::Detached finish(Transfer transfer, std::int64_t result);
  void end(Status status);

  std::array<Hop, kMaxNodes> hops_;
  std::size_t nodes_ = 0;
  bool is_write_ = false;
  Request* request_ = nullptr;
  Done done_ = nullptr;
  std::variant<std::monostate, Operation, Sleep> carrier_;
};

}  // namespace blk::block
