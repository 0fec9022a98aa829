#include "binding/request-ring.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <limits>
#include <utility>

#include "aio/thread.hpp"
#include "binding/environment.hpp"
#include "binding/layout.hpp"

namespace blk::binding {
namespace {

constexpr std::size_t kPoolChunk = 256;

std::int64_t to_integer(double number) {
  // lib/ passes 64-bit integers; anything else is its bug, and must not be undefined behaviour.
  return number >= -9223372036854775808.0 && number < 9223372036854775808.0
             ? static_cast<std::int64_t>(number)
             : std::numeric_limits<std::int64_t>::min();
}

bool is_transfer(const block::Request& request) {
  return request.operation == block::Operation::kRead ||
         request.operation == block::Operation::kWrite;
}

int locate(const aio::MemoryRegion* memory, double offset, double length, iovec& part) {
  const std::int64_t start = to_integer(offset);
  const std::int64_t bytes = to_integer(length);
  if (memory == nullptr || start < 0 || bytes < 0 ||
      static_cast<std::uint64_t>(start) > memory->size() ||
      static_cast<std::uint64_t>(bytes) > memory->size() - static_cast<std::uint64_t>(start)) {
    return -EFAULT;
  }
  part = {memory->base() + start, static_cast<std::size_t>(bytes)};
  return 0;
}

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
  auto shared = [&](std::size_t bytes) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
    std::fill_n(static_cast<std::uint8_t*>(buffer.Data()), bytes, std::uint8_t{0});
    // lib/ never lets these buffers out, so nobody can detach them; the reference keeps them.
    buffers_.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
    return buffer;
  };
  Napi::ArrayBuffer header = shared(kHeaderBytes);
  Napi::ArrayBuffer submission = shared(kSubmissionCapacity * kDescriptorBytes);
  Napi::ArrayBuffer completion = shared(kCompletionCapacity * kCompletionBytes);
  header_ = static_cast<Header*>(header.Data());
  descriptors_ = static_cast<Descriptor*>(submission.Data());
  completions_ = static_cast<CompletionEntry*>(completion.Data());
  deliver_ = Napi::Persistent(deliver);

  Napi::Object memory = Napi::Object::New(env);
  memory.Set("header", header);
  memory.Set("submission", submission);
  memory.Set("completion", completion);
  memory.Set("layout", layout(env));
  return memory;
}

// --- request records

BoundRequest* RequestRing::take_from_pool() {
  if (pool_.empty()) {
    auto chunk = std::make_unique<BoundRequest[]>(kPoolChunk);
    for (std::size_t i = 0; i < kPoolChunk; ++i) {
      pool_.push_back(&chunk[i]);
    }
    pool_chunks_.push_back(std::move(chunk));
  }
  return static_cast<BoundRequest*>(pool_.pop_front());
}

void RequestRing::give_back(BoundRequest* request) {
  request->region.reset();
  request->vector.clear();
  request->regions.clear();
  request->backend = nullptr;
  request->failed_node = 0;
  request->report.reset();
  request->uncount_before_callback = false;
  // Last in, first out: the record is still in the cache.
  pool_.push_front(request);
}

void RequestRing::free(BoundRequest* request) {
  if (request->destroy != nullptr) {
    request->destroy(request);
  } else {
    give_back(request);
  }
}

// --- submission

void RequestRing::ingest() {
  const auto count = static_cast<std::uint32_t>(
      std::clamp(header_->submitted, 0, static_cast<std::int32_t>(kSubmissionCapacity)));
  header_->submitted = 0;
  for (std::uint32_t index = 0; index < count;) {
    index += ingest_one(index, count);
  }
}

// Returns how many descriptors the request took.
std::uint32_t RequestRing::ingest_one(std::uint32_t index, std::uint32_t count) {
  const Descriptor& descriptor = descriptors_[index];
  BoundRequest* request = take_from_pool();
  prepare(*request, descriptor);
  std::uint32_t used = 1;
  const int error = describe_data(*request, index, count, used);
  if (request->home == nullptr || error != 0) {
    request->result = error != 0 ? error : -EBADF;
    request->home = nullptr;
  } else {
    request->backend->count();
  }
  if (request->slot == kSlotSync) {
    if (sync_request_ != nullptr) {
      give_back(std::exchange(sync_request_, nullptr));
    }
    sync_request_ = request;
    return used;
  }
  add(request);
  if (request->home != nullptr) {
    request->home->run(request);
  } else {
    request->backend = nullptr;
    finished_.push_back(request);
  }
  return used;
}

void RequestRing::prepare(BoundRequest& request, const Descriptor& descriptor) {
  request.operation = static_cast<block::Operation>(descriptor.operation_and_flags & 0xff);
  request.flags = descriptor.operation_and_flags >> 8;
  request.slot = descriptor.slot;
  request.generation = descriptor.generation;
  request.offset = to_integer(descriptor.offset);
  request.bytes = to_integer(descriptor.length);
  request.argument = to_integer(descriptor.argument);
  request.uncount_before_callback = request.operation == block::Operation::kAbort;
  request.done = request_done;
  request.run = run_in_home;
  BoundBackend* target = environment_.backends.find(descriptor.backend);
  request.home = target != nullptr ? target->home.get() : nullptr;
  request.backend = target != nullptr ? &target->backend : nullptr;
}

// Finds the memory of a request. Whatever does not lie wholly inside a known region is refused, so
// that a bug in lib/ cannot make the kernel write elsewhere.
int RequestRing::describe_data(BoundRequest& request, std::uint32_t index, std::uint32_t count,
                               std::uint32_t& used) {
  const Descriptor& descriptor = descriptors_[index];
  request.single = {nullptr, 0};
  if (descriptor.buffers <= 1) {
    if (descriptor.region == 0) {
      // Too long to have memory: the range check refuses it before any would be touched.
      const bool touches_memory =
          is_transfer(request) && request.bytes != 0 && request.bytes <= block::kMaxTransfer;
      return touches_memory ? -EFAULT : 0;
    }
    request.region = environment_.regions.find(descriptor.region);
    return locate(request.region.get(), descriptor.region_offset, descriptor.length,
                  request.single);
  }
  const std::uint32_t following = (descriptor.buffers + 1) / 2;
  if (following >= count - index) {
    return -EINVAL;
  }
  used += following;
  std::int64_t total = 0;
  for (std::uint32_t i = 1; i <= following; ++i) {
    const auto& more = reinterpret_cast<const VectorDescriptor&>(descriptors_[index + i]);
    int error = add_buffer(request, more.first_region, more.first_offset, more.first_length);
    if (error == 0 && more.buffers > 1) {
      error = add_buffer(request, more.second_region, more.second_offset, more.second_length);
    }
    if (error != 0) {
      return error;
    }
  }
  for (const iovec& part : request.vector) {
    total += static_cast<std::int64_t>(part.iov_len);
  }
  return total == request.bytes ? 0 : -EINVAL;
}

int RequestRing::add_buffer(BoundRequest& request, std::uint32_t region, double offset,
                            double length) {
  const auto& memory = environment_.regions.find(region);
  iovec part{};
  if (int error = locate(memory.get(), offset, length, part); error != 0) {
    return error;
  }
  request.vector.push_back(part);
  if (request.regions.empty() || request.regions.back() != memory) {
    request.regions.push_back(memory);
  }
  return 0;
}

void RequestRing::add(BoundRequest* request) {
  ++outstanding_;
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
  // again, so it is looked up by slot and generation among the parked ones.
  block::Backend* backend = request->backend;
  // The request is counted, parked or on its way to either, so its backend lives until then.
  post_release(*request->home, [backend, slot, generation] {
    backend->cancel_parked([slot, generation](const block::Request& candidate) {
      const auto& bound = static_cast<const BoundRequest&>(candidate);
      return bound.slot == slot && bound.generation == generation;
    });
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
  ingest();
  std::uint32_t count = 0;
  if (is_over_budget()) {
    environment_.submit_contexts();
    ring_if_waiting();
  } else {
    if (environment_.turn_contexts()) {
      environment_.outbox().ring();
    }
    count = collect();
  }
  if (count == 0) {
    environment_.prepare_sleep(owes_completions());
  } else {
    ++inline_flushes_;
  }
  return count;
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
    if (request->backend != nullptr && !request->uncount_before_callback) {
      if (request->backend != backend && run > 0) {
        backend->uncount(run);
        run = 0;
      }
      backend = request->backend;
      ++run;
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
  environment_.outbox().take(finished_, resized_);
  write_events();
  while (completion_count_ < kCompletionCapacity) {
    auto* request = static_cast<BoundRequest*>(finished_.pop_front());
    if (request == nullptr) {
      break;
    }
    write_completion(request);
    delivered_.push_back(request);
  }
  return completion_count_;
}

void RequestRing::write_events() {
  if (environment_.outbox().take_idle()) {
    append_entry(0, kEventIdle, 0);
  }
  while (!resized_.empty() && completion_count_ < kCompletionCapacity) {
    append_entry(0, kEventResized, static_cast<std::int32_t>(resized_.back()));
    resized_.pop_back();
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
  return outbox.has_releases() || static_cast<std::int64_t>(outstanding_) > outbox.parked() ||
         outbox.is_idle_untold();
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
  }
  keep_report(request);
  header_->sync_node = static_cast<std::int32_t>(request->failed_node);
  const auto result = static_cast<double>(request->result);
  give_back(request);
  kick();  // others may have finished meanwhile; they are delivered in the next turn of the loop
  return result;
}

std::int64_t RequestRing::run_prepared(BoundRequest* request) {
  struct SyncDone {
    std::atomic<int> word{0};  // futex for a remote home
    bool here = false;
  };
  SyncDone state;
  // Only JavaScript ends a drained section, and it would be waiting here (design.md: EDEADLK).
  if (request->backend->would_park(request->operation)) {
    return -EDEADLK;
  }
  request->owner = &state;
  HomedContext& home = *request->home;
  if (!home.is_remote()) {
    request->done = [](block::Request* done) {
      static_cast<SyncDone*>(static_cast<BoundRequest*>(done)->owner)->here = true;
    };
    request->backend->submit(request);
    home.run_until(state.here);
  } else {
    request->done = [](block::Request* done) {
      auto* sync = static_cast<SyncDone*>(static_cast<BoundRequest*>(done)->owner);
      sync->word.store(1, std::memory_order_release);
      aio::futex_wake(sync->word, 1);
    };
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
  environment_.outbox().take(finished_, resized_);
  finished_.splice_to(delivered_);
  while (auto* request = static_cast<BoundRequest*>(delivered_.pop_front())) {
    free(request);
  }
}

}  // namespace blk::binding
