// Everything native that belongs to one Node environment. There are no globals: two workers share
// only files.
//
// JavaScript thread only, except the outbox.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "binding/bound-group.hpp"
#include "binding/bound-nbd.hpp"
#include "binding/handle-table.hpp"
#include "binding/homed-context.hpp"
#include "binding/outbox.hpp"
#include "binding/region-table.hpp"
#include "binding/request-ring.hpp"
#include "block/backend.hpp"
#include "block/error-report.hpp"
#include "block/node.hpp"
#include "block/registry.hpp"
#include "exports/load-generator.hpp"

namespace blk::binding {

/// A backend and the home of its context.
struct BoundBackend {
  BoundBackend(std::shared_ptr<HomedContext> where, Outbox& outbox)
      : home(std::move(where)), backend(home->aio(), outbox), created(home->aio().clock().now()) {
    ++home->users;
  }
  BoundBackend(const BoundBackend&) = delete;
  BoundBackend& operator=(const BoundBackend&) = delete;
  ~BoundBackend() { --home->users; }

  std::shared_ptr<HomedContext> home;
  block::Backend backend;
  // JavaScript thread: what the owner may take back.
  std::uint32_t plugs = 0;
  std::uint32_t owner_counts = 0;
  /// What its owner accounted and the home has not heard of. Any thread.
  std::atomic<std::uint32_t> accounts_under_way{0};
  const aio::Nanoseconds created;     // by the clock of its first context
  std::shared_ptr<BoundGroup> group;  // that throttles it
};

/// A node and the home of its context.
struct BoundNode {
  BoundNode(std::shared_ptr<HomedContext> where, std::shared_ptr<block::Node> what)
      : home(std::move(where)), node(std::move(what)) {
    ++home->users;
  }
  BoundNode(const BoundNode&) = delete;
  BoundNode& operator=(const BoundNode&) = delete;
  ~BoundNode() { --home->users; }

  std::shared_ptr<HomedContext> home;
  std::shared_ptr<block::Node> node;
  std::shared_ptr<BoundGroup> group;  // that its driver is a member of
};

class Environment {
 public:
  /// Made once per Node environment, when the addon is loaded into it; frees itself when the
  /// environment ends (see teardown.cpp).
  static Environment* create(Napi::Env env);

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  Napi::Env napi() const { return env_; }
  uv_loop_t* loop() const { return loop_; }
  RequestRing& ring() { return ring_; }
  Outbox& outbox() { return outbox_; }

  /// 0 or a negative errno. Called by initialize(): loading the addon alone starts nothing.
  int start();

  /// Runs what the contexts of Node's loop have ready. True when one of them has more.
  bool turn_contexts();
  void submit_contexts();
  /// What runs in the contexts of this thread until their next turn is a batch.
  void begin_batch();
  /// A turn of the loop ends what plugs hold back.
  void release_plugged();
  /// A context of this thread has something to run or to hand over.
  bool has_work_ready() const;
  /// Moves finished requests of this thread's contexts to `out`.
  void take_finished(aio::IntrusiveList<aio::Runnable>& out);
  /// Before the loop sleeps: timers, and whether the loop must stay alive.
  void prepare_sleep(bool owes_completions);

  void add_context(std::shared_ptr<HomedContext> context);
  void remove_context(double handle);

  HandleTable<HomedContext> contexts;
  HandleTable<BoundNode> nodes;
  HandleTable<BoundBackend> backends;
  HandleTable<BoundGroup> groups;
  HandleTable<exports::NbdServer> nbd_servers;
  HandleTable<BoundNbdExport> nbd_exports;
  /// Servers that keep Node's loop alive.
  int listening = 0;
  RegionTable regions;
  block::DriverRegistry drivers;
  /// Why control requests failed, by slot, until lib/ takes them.
  std::unordered_map<std::int32_t, block::ErrorReport> reports;
  /// Results of native loads, by slot, until lib/ takes them.
  std::unordered_map<std::int32_t, exports::LoadResult> load_results;
  /// Until lib/ takes them.
  std::vector<Outbox::ThresholdEvent> threshold_events;
  std::uint32_t next_node_id = 1;

 private:
  explicit Environment(Napi::Env env);
  ~Environment() = default;

  static void on_doorbell(uv_poll_t* handle, int status, int events);
  static void on_check(uv_check_t* handle);
  static void on_teardown(napi_async_cleanup_hook_handle handle, void* self);
  static void on_closed(uv_handle_t* handle);
  void teardown();
  void hang_up_exports();
  bool stop_contexts();
  void finish_teardown();

  Napi::Env env_;
  uv_loop_t* loop_ = nullptr;
  Outbox outbox_;
  RequestRing ring_;
  std::vector<std::shared_ptr<HomedContext>> local_contexts_;  // homes on this thread
  uv_poll_t* doorbell_poll_ = nullptr;
  uv_check_t* check_ = nullptr;
  bool loop_referenced_ = false;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  int open_handles_ = 0;
  bool orphaned_ = false;
};

}  // namespace blk::binding
