#include "binding/request-ring.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "aio/thread.hpp"
#include "binding/environment.hpp"
#include "binding/failure.hpp"
#include "binding/layout.hpp"
#include "binding/values.hpp"

namespace blk::binding {
namespace {

void request_done(block::Request* request) {
  auto* bound = static_cast<BoundRequest*>(request);
  bound->home->finished(bound);
}

// deliver() itself throws nothing, but ticks and microtasks of users run when it returns. Left
// where it is, what they throw would make every later Node-API call fail. In an environment that is
// being terminated nobody is there to be told, and this does nothing.
void report_uncaught(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  napi_value error = nullptr;
  if (pending && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
}

void run_in_home(aio::Runnable* item) {
  auto* request = static_cast<BoundRequest*>(item);
  request->backend->submit(request);
}

}  // namespace

// --- shared memory

Napi::Value RequestRing::open(Napi::Function deliver) {
  Napi::Env env = environment_.napi();
  std::array<napi_value, 3> buffers{};
  std::array<void*, 3> data{};
  constexpr std::array<std::size_t, 3> kBytes{kHeaderBytes, kSubmissionCapacity * kDescriptorBytes,
                                              kCompletionCapacity * kCompletionBytes};
  for (std::size_t index = 0; index < kBytes.size(); ++index) {
    // It fails in an environment that is being terminated.
    if (napi_create_arraybuffer(env, kBytes[index], &data[index], &buffers[index]) != napi_ok) {
      buffers_.clear();
      return failure(env, -ENOMEM, "environment-start-failed");
    }
    // lib/ never lets these buffers out, so nobody can detach them; the reference keeps them.
    buffers_.push_back(
        Napi::Reference<Napi::ArrayBuffer>::New(Napi::ArrayBuffer(env, buffers[index]), 1));
  }
  header_ = static_cast<Header*>(data[0]);
  descriptors_ = static_cast<Descriptor*>(data[1]);
  completions_ = static_cast<CompletionEntry*>(data[2]);
  deliver_ = Napi::Persistent(deliver);

  return ObjectWriter(env)
      .set("header", buffers[0])
      .set("submission", buffers[1])
      .set("completion", buffers[2])
      .set("layout", layout(env))
      .object();
}

// --- submission

void RequestRing::ingest() {
  const auto count = static_cast<std::uint32_t>(
      std::clamp(header_->submitted, 0, static_cast<std::int32_t>(kSubmissionCapacity)));
  header_->submitted = 0;
  batch_time_ = 0;
  environment_.begin_batch();
  for (std::uint32_t index = 0; index < count;) {
    BoundRequest* request = pool_.take();
    index += reader_.read({descriptors_ + index, count - index}, *request);
    start(request);
  }
}

void RequestRing::start(BoundRequest* request) {
  request->done = request_done;
  request->run = run_in_home;
  if (request->home != nullptr) {
    request->backend->count();
    if (request->copy_target != nullptr) {
      request->copy_target->count();
    }
    if (request->account != accounting::AccountType::kNone) {
      HomedContext& home = *request->home;
      request->accounted_since = home.is_remote() ? batch_time() : home.aio().time_in_batch();
    }
  }
  if (request->slot == kSlotSync) {
    if (sync_request_ != nullptr) {
      pool_.give_back(std::exchange(sync_request_, nullptr));
    }
    sync_request_ = request;
    return;
  }
  add(request);
  if (request->home != nullptr) {
    request->home->run(request);
  } else {
    finished_.push_back(request);
  }
}

// The clock is read once for all requests of a batch, and not at all when none is accounted. Other
// homes have batches, and their times, of their own.
aio::Nanoseconds RequestRing::batch_time() {
  if (batch_time_ == 0) {
    batch_time_ = aio::MonotonicClock().now();
  }
  return batch_time_;
}

void RequestRing::free(BoundRequest* request) {
  if (request->destroy != nullptr) {
    request->destroy(request);
  } else {
    pool_.give_back(request);
  }
}

void RequestRing::add(BoundRequest* request) {
  ++outstanding_;
  request->remote = request->home != nullptr && request->home->is_remote();
  remote_ += request->remote ? 1 : 0;
  const auto slot = static_cast<std::size_t>(request->slot);
  if (slot >= by_slot_.size()) {
    by_slot_.resize(std::max<std::size_t>(slot + 1, by_slot_.size() * 2), nullptr);
  }
  by_slot_[slot] = request;
}

void RequestRing::cancel(std::int32_t slot, std::int32_t generation) {
  ingest();
  if (slot < 0 || static_cast<std::size_t>(slot) >= by_slot_.size()) {
    return;
  }
  BoundRequest* request = by_slot_[static_cast<std::size_t>(slot)];
  if (request == nullptr || request->generation != generation || request->backend == nullptr) {
    return;
  }
  // A message like any other. By the time it arrives the request may be done and its record in use
  // again, so it is looked up by slot and generation among those that wait.
  block::Backend* backend = request->backend;
  // The message counts, as what is parked will when it leaves: no section is quiet meanwhile, and
  // the backend lives until then.
  backend->count();
  post_release(*request->home, [backend, slot, generation] {
    backend->cancel_queued([slot, generation](const block::Request& candidate) {
      const auto& bound = static_cast<const BoundRequest&>(candidate);
      return candidate.from_script && bound.slot == slot && bound.generation == generation;
    });
    backend->uncount();
  });
}

void RequestRing::submit() {
  ingest();
  kick();
}

void RequestRing::kick() {
  environment_.submit_contexts();
  ring_if_waiting();
  environment_.prepare_sleep(owes_completions());
}

// --- completion

std::uint32_t RequestRing::flush() {
  uncount_delivered();
  const bool has_new = header_->submitted > 0;
  ingest();
  std::uint32_t count = 0;
  if (is_over_budget()) {
    environment_.submit_contexts();
    ring_if_waiting();
    if (has_new && remote_ > 0 && poll_window_.length() > 0) {
      environment_.outbox().ring();  // the loop does not sleep for what comes soon
    }
  } else {
    if (environment_.turn_contexts()) {
      environment_.outbox().ring();
    }
    count = collect();
    // Without new requests this follows callbacks, and what they wake has not run yet.
    if (count == 0 && has_new && remote_ > 0) {
      watch_outbox();
      count = collect();
    }
  }
  if (count == 0) {
    environment_.prepare_sleep(owes_completions());
  } else {
    ++inline_flushes_;
  }
  return count;
}

// Results of an IOThread that come at once need neither its system call nor a turn of the loop.
void RequestRing::watch_outbox() {
  waits_since_ = clock_.now();
  if (poll_window_.length() > 0) {
    environment_.outbox().watch_until(clock_, waits_since_ + poll_window_.length());
  }
}

void RequestRing::learn_wait() {
  if (waits_since_ != 0 && completion_count_ > 0) {
    poll_window_.learn(clock_.now() - std::exchange(waits_since_, 0));
  }
}

// Completions that are delivered from inside flush() keep JavaScript from returning to the loop, so
// their number and time are bounded: timers and sockets must not starve.
bool RequestRing::is_over_budget() {
  if (inline_flushes_ == 0) {
    return false;
  }
  const aio::Nanoseconds now = aio::MonotonicClock().now();
  if (turn_start_ == 0) {
    turn_start_ = now;
  }
  return inline_flushes_ >= kMaxInlineFlushes || now - turn_start_ > kMaxInlineTime;
}

// The engines' descriptors wake the loop for what the kernel finishes; what is finished already, or
// ready to run, has nobody else to call.
void RequestRing::ring_if_waiting() {
  if (!finished_.empty() || environment_.has_work_ready()) {
    environment_.outbox().ring();
  }
}

void RequestRing::on_loop() {
  if (!is_open()) {
    return;
  }
  new_turn();
  uncount_delivered();
  ingest();
  if (environment_.turn_contexts()) {
    environment_.outbox().ring();
  }
  environment_.release_plugged();
  if (const std::uint32_t count = collect(); count > 0) {
    Napi::Env env = environment_.napi();
    Napi::HandleScope scope(env);
    napi_value argument = Napi::Number::New(env, count);
    // Not Napi::Function::MakeCallback(): it ends the process when the environment is going.
    napi_make_callback(env, nullptr, env.Global(), deliver_.Value(), 1, &argument, nullptr);
    report_uncaught(env);
  }
  environment_.prepare_sleep(owes_completions());
}

// lib/ has settled what was delivered last: from here on those requests no longer count. One
// subtraction for a run of requests to one backend.
void RequestRing::uncount_delivered() {
  block::Backend* backend = nullptr;
  std::uint32_t run = 0;
  while (auto* request = static_cast<BoundRequest*>(delivered_.pop_front())) {
    --outstanding_;
    remote_ -= request->remote ? 1 : 0;
    if (request->backend != nullptr && !request->uncount_before_callback) {
      if (request->backend != backend && run > 0) {
        backend->uncount(run);
        run = 0;
      }
      backend = request->backend;
      ++run;
    }
    if (request->copy_target != nullptr) {
      request->copy_target->uncount();
    }
    free(request);
  }
  if (run > 0) {
    backend->uncount(run);
  }
}

std::uint32_t RequestRing::collect() {
  completion_count_ = 0;
  environment_.take_finished(finished_);
  environment_.outbox().take(finished_, news_);
  write_events();
  while (completion_count_ < kCompletionCapacity) {
    auto* request = static_cast<BoundRequest*>(finished_.pop_front());
    if (request == nullptr) {
      break;
    }
    write_completion(request);
    delivered_.push_back(request);
  }
  learn_wait();
  return completion_count_;
}

void RequestRing::write_events() {
  if (environment_.outbox().take_idle()) {
    append_entry(0, kEventIdle, 0);
  }
  if (environment_.outbox().take_asked()) {
    append_entry(0, kEventNbdQuestion, 0);
  }
  while (!news_.resized.empty() && completion_count_ < kCompletionCapacity) {
    append_entry(0, kEventResized, static_cast<std::int32_t>(news_.resized.back()));
    news_.resized.pop_back();
  }
  while (!news_.warnings.empty() && completion_count_ < kCompletionCapacity) {
    const auto& [node, what] = news_.warnings.back();
    append_entry(static_cast<double>(what), kEventWarning, static_cast<std::int32_t>(node));
    news_.warnings.pop_back();
  }
  if (!news_.thresholds.empty() && completion_count_ < kCompletionCapacity) {
    append_entry(0, kEventWriteThreshold, 0);
    auto& told = environment_.threshold_events;
    told.insert(told.end(), news_.thresholds.begin(), news_.thresholds.end());
    news_.thresholds.clear();
  }
}

void RequestRing::write_completion(BoundRequest* request) {
  if (request->settle != nullptr) {
    request->settle(request);
  }
  keep_report(request);
  by_slot_[static_cast<std::size_t>(request->slot)] = nullptr;
  if (request->uncount_before_callback) {
    request->backend->uncount();
  }
  append_entry(static_cast<double>(request->result), request->slot,
               static_cast<std::int32_t>(request->failed_node));
}

void RequestRing::keep_report(BoundRequest* request) {
  if (request->report != nullptr) {
    environment_.reports[request->slot] = std::move(*request->report);
  }
}

void RequestRing::append_entry(double result, std::int32_t slot, std::int32_t node) {
  completions_[completion_count_++] = {result, slot, node};
}

// A parked request waits for somebody's drain to end, which is no reason to keep the process. That
// a drain may go on is one, until lib/ knows.
bool RequestRing::owes_completions() const {
  const Outbox& outbox = environment_.outbox();
  // In this order: what a message did is visible once it is off the way.
  return environment_.listening > 0 || outbox.has_releases() ||
         static_cast<std::int64_t>(outstanding_) > outbox.parked() || outbox.is_idle_untold();
}

// --- synchronous form

double RequestRing::run_sync() {
  ingest();
  BoundRequest* request = std::exchange(sync_request_, nullptr);
  if (request == nullptr) {
    return -EINVAL;
  }
  if (request->backend != nullptr) {
    request->result = run_prepared(request);
    request->backend->uncount();
    if (request->copy_target != nullptr) {
      request->copy_target->uncount();
    }
  }
  keep_report(request);
  header_->sync_node = static_cast<std::int32_t>(request->failed_node);
  const auto result = static_cast<double>(request->result);
  pool_.give_back(request);
  kick();  // others may have finished meanwhile; they are delivered in the next turn of the loop
  return result;
}

std::int64_t RequestRing::run_prepared(BoundRequest* request) {
  // From before the request begins until it is done, by the home's order.
  struct SyncDone : aio::Runnable {
    explicit SyncDone(aio::ScriptWaits& script_waits) : waits(script_waits) {
      run = [](aio::Runnable* self) { static_cast<SyncDone*>(self)->waits.begin(); };
    }
    aio::ScriptWaits& waits;
    std::atomic<int> word{0};  // futex for a remote home
    bool here = false;
  };
  SyncDone state(request->home->aio().script_waits());
  // Only JavaScript ends a drained section, and it would be waiting here (design.md: EDEADLK).
  if (request->backend->would_park(request->operation)) {
    return -EDEADLK;
  }
  request->owner = &state;
  HomedContext& home = *request->home;
  if (!home.is_remote()) {
    request->done = [](block::Request* done) {
      auto* sync = static_cast<SyncDone*>(static_cast<BoundRequest*>(done)->owner);
      sync->waits.end();
      sync->here = true;
    };
    state.waits.begin();
    request->backend->submit(request);
    home.run_until(state.here);
  } else {
    request->done = [](block::Request* done) {
      auto* sync = static_cast<SyncDone*>(static_cast<BoundRequest*>(done)->owner);
      sync->waits.end();
      sync->word.store(1, std::memory_order_release);
      aio::futex_wake(sync->word, 1);
    };
    home.aio().post(&state);
    home.aio().post(request);
    while (state.word.load(std::memory_order_acquire) == 0) {
      aio::futex_wait(state.word, 0, aio::kNever);
    }
  }
  return request->result;
}

// --- teardown

bool RequestRing::uses_foreign_memory() const {
  const auto is_foreign = [](const std::shared_ptr<aio::MemoryRegion>& region) {
    return region != nullptr && region->is_foreign();
  };
  return std::any_of(by_slot_.begin(), by_slot_.end(), [&](const BoundRequest* request) {
    return request != nullptr &&
           (is_foreign(request->region) ||
            std::any_of(request->regions.begin(), request->regions.end(), is_foreign));
  });
}

void RequestRing::close() {
  header_ = nullptr;
  // Strong references belong to whoever made them: the environment does not free them itself.
  deliver_.Reset();
  buffers_.clear();
}

void RequestRing::drop_everything() {
  environment_.take_finished(finished_);
  environment_.outbox().take(finished_, news_);
  finished_.splice_to(delivered_);
  while (auto* request = static_cast<BoundRequest*>(delivered_.pop_front())) {
    free(request);
  }
}

}  // namespace blk::binding
