// A load that drives a backend from inside its context, as a native device model would: `blk bench
// --api native`. Uses only the backend's public interface.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "accounting/latency-histogram.hpp"
#include "aio/memory.hpp"
#include "block/backend.hpp"

namespace blk::exports {

struct LoadOptions {
  enum class Pattern : std::uint8_t { kRead, kWrite, kReadWrite };

  Pattern pattern = Pattern::kRead;
  bool random = true;
  std::int64_t block_size = 4096;
  std::uint32_t depth = 1;
  aio::Nanoseconds runtime = 0;
  std::uint64_t seed = 1;
};

struct LoadResult {
  int error = 0;  // the first one; the load ends there
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  aio::Nanoseconds elapsed = 0;
  /// Sum, modulo 2^32, of the first little-endian 32-bit word of every 512 bytes that were read.
  std::uint32_t checksum = 0;
  accounting::LatencyHistogram latency;
};

/// Keeps `depth` requests in flight until the time is over or one fails. Lives from start() until
/// `done` was called; home thread only.
class LoadGenerator {
 public:
  using Done = void (*)(void* owner);

  LoadGenerator(block::Backend& backend, const LoadOptions& options, Done done, void* owner)
      : backend_(backend), options_(options), done_(done), owner_(owner), random_(options.seed) {}
  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  /// `done` is called later, never from here, unless nothing could be started.
  void start();
  const LoadResult& result() const { return result_; }

 private:
  struct Lane : block::Request {
    LoadGenerator* load = nullptr;
    aio::Nanoseconds started = 0;
  };

  static void submit_lane(aio::Runnable* item);
  static void lane_done(block::Request* request);
  void schedule(Lane& lane);
  void submit(Lane& lane);
  void finished(Lane& lane);
  void end_lane();
  std::int64_t next_block();

  block::Backend& backend_;
  const LoadOptions options_;
  Done done_;
  void* owner_;
  std::mt19937_64 random_;
  LoadResult result_;
  std::shared_ptr<aio::MemoryRegion> memory_;
  std::vector<Lane> lanes_;
  std::uint32_t active_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t sequential_ = 0;
  aio::Nanoseconds start_time_ = 0;
};

}  // namespace blk::exports
