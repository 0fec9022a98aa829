// What the tests of block/ share: a driver that keeps its bytes in memory, writes down every call
// and waits or fails when told to, and a world of virtual time around it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aio/context.hpp"
#include "aio/sim-engine.hpp"
#include "aio/sync.hpp"
#include "block/backend.hpp"
#include "block/node.hpp"

/// So that a failed check shows the calls.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& calls) {
    std::string text;
    for (const std::string& call : calls) {
      text += (text.empty() ? "" : ", ") + call;
    }
    return {text.c_str()};
  }
};

namespace blk::test {

using Calls = std::vector<std::string>;

inline std::string call_name(const char* what, std::int64_t offset, std::int64_t bytes,
                             block::RequestFlags flags = 0) {
  std::string name = std::string(what) + " " + std::to_string(offset) + "+" + std::to_string(bytes);
  name += (flags & block::kRequestFua) != 0 ? " fua" : "";
  name += (flags & block::kRequestMayUnmap) != 0 ? " unmap" : "";
  name += (flags & block::kRequestNoFallback) != 0 ? " no-fallback" : "";
  return name;
}

/// Calls look like "read 0+4096", "write 512+512 fua", "flush", "truncate 1024". Bytes outside of
/// `disk` are not stored, so large ranges cost nothing.
class ScriptedDriver : public block::Driver {
 public:
  Calls calls;
  std::vector<char> disk;
  std::int64_t size = 0;
  block::Limits own_limits;
  block::RequestFlags write_flags = 0;
  block::RequestFlags zero_flags = 0;
  bool can_discard = true;
  bool efficient_zeroes = false;
  bool variable_length = false;
  bool inserted = true;
  bool encrypted = false;
  bool sectors_only = false;
  bool scsi_generic = false;
  std::optional<block::Geometry> geometry;
  std::int64_t length_error = 0;
  /// Calls that start with the key fail with the value.
  std::map<std::string, int> errors;
  /// Calls that start with this wait for release().
  std::string hold;
  aio::AioContext* context = nullptr;
  /// The next call makes this request before it does anything else, and fails if that does.
  std::function<aio::Task<block::Status>()> inside;
  /// Notes of several drivers in one list, each after its driver's label.
  Calls* journal = nullptr;
  std::string label;

  void release() {
    hold.clear();
    held_.wake_all(*context);
  }
  void release_one() { held_.wake_one(*context); }

  const char* name() const override { return "scripted"; }
  aio::Task<block::Status> open(block::Node& node, const block::Options& /*options*/,
                                block::ErrorReport& /*report*/) override {
    context = &node.context();
    return block::Status();
  }
  void plug() override { note("plug"); }
  void unplug() override { note("unplug"); }
  block::Limits limits() const override { return own_limits; }
  aio::Task<std::int64_t> length() override { return length_error != 0 ? length_error : size; }
  bool has_variable_length() const override { return variable_length; }
  bool is_inserted() const override { return inserted; }
  bool is_encrypted() const override { return encrypted; }
  bool has_sectors_only() const override { return sectors_only; }
  bool is_sg() const override { return scsi_generic; }
  aio::Task<block::Status> probe_geometry(block::Geometry& answer) override {
    answer = geometry.value_or(block::Geometry{});
    return geometry ? block::Status() : block::Status(-ENOTSUP);
  }
  block::RequestFlags supported_write_flags() const override { return write_flags; }
  block::RequestFlags supported_zero_flags() const override { return zero_flags; }
  bool has_discard() const override { return can_discard; }
  bool has_efficient_zero_write() const override { return efficient_zeroes; }

  aio::Task<block::Status> preadv(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                  block::RequestFlags flags) override {
    block::Status status = co_await act(call_name("read", offset, bytes, flags));
    if (status.ok()) {
      block::zero_range(data, 0, static_cast<std::size_t>(bytes));
      const std::int64_t stored = stored_bytes(offset, bytes);
      block::copy_from_linear(data, reinterpret_cast<std::byte*>(disk.data() + offset),
                              static_cast<std::size_t>(stored));
    }
    co_return status;
  }
  aio::Task<block::Status> pwritev(std::int64_t offset, std::int64_t bytes, block::IoView data,
                                   block::RequestFlags flags) override {
    block::Status status = co_await act(call_name("write", offset, bytes, flags));
    if (status.ok()) {
      const std::int64_t stored = stored_bytes(offset, bytes);
      block::copy_to_linear(reinterpret_cast<std::byte*>(disk.data() + offset), data,
                            static_cast<std::size_t>(stored));
    }
    co_return status;
  }
  aio::Task<block::Status> pwrite_zeroes(std::int64_t offset, std::int64_t bytes,
                                         block::RequestFlags flags) override {
    block::Status status = co_await act(call_name("zero", offset, bytes, flags));
    if (status.ok() && stored_bytes(offset, bytes) > 0) {
      std::memset(disk.data() + offset, 0, static_cast<std::size_t>(stored_bytes(offset, bytes)));
    }
    co_return status;
  }
  aio::Task<block::Status> copy_range_from(block::CopyRange copy) override {
    block::Status status = co_await act(call_name("from", copy.source_offset, copy.bytes));
    if (status.ok()) {
      status = co_await copy.target->node->copy_range_to(copy);
    }
    co_return status;
  }
  aio::Task<block::Status> copy_range_to(block::CopyRange copy) override {
    co_return co_await act(call_name("to", copy.target_offset, copy.bytes, copy.flags));
  }
  aio::Task<block::Status> pdiscard(std::int64_t offset, std::int64_t bytes) override {
    co_return co_await act(call_name("discard", offset, bytes));
  }
  aio::Task<block::Status> flush_to_disk() override { co_return co_await act("flush"); }
  aio::Task<block::Status> truncate(block::TruncateRequest request,
                                    block::ErrorReport& /*report*/) override {
    block::Status status = co_await act("truncate " + std::to_string(request.size));
    if (status.ok()) {
      size = request.size;
    }
    co_return status;
  }

 private:
  void note(const char* what) {
    if (journal != nullptr) {
      journal->push_back(label + " " + what);
    }
  }
  std::int64_t stored_bytes(std::int64_t offset, std::int64_t bytes) const {
    const auto stored = static_cast<std::int64_t>(disk.size());
    return std::clamp<std::int64_t>(stored - offset, 0, bytes);
  }
  aio::Task<block::Status> act(std::string call) {
    calls.push_back(call);
    if (inside) {
      const auto request = std::exchange(inside, nullptr);
      block::Status status = co_await request();
      if (!status.ok()) {
        co_return status;
      }
    }
    if (!hold.empty() && call.starts_with(hold)) {
      co_await held_.wait();
    }
    for (const auto& [prefix, error] : errors) {
      if (call.starts_with(prefix)) {
        co_return block::Status(error);
      }
    }
    co_return block::Status();
  }

  aio::WaitQueue held_;
};

template <typename T>
aio::Detached settle(aio::Task<T> task, std::shared_ptr<std::optional<T>> result) {
  T value = co_await task;
  *result = value;
}

/// A request that has been started.
template <typename T>
struct Started {
  std::shared_ptr<std::optional<T>> result = std::make_shared<std::optional<T>>();

  bool done() const { return result->has_value(); }
  T value() const {
    REQUIRE(done());
    return **result;
  }
};

class World : public block::GraphListener {
 public:
  aio::VirtualClock clock;
  aio::AioContext context{std::make_unique<aio::SimEngine>(aio::SimOptions{}, clock), clock};
  std::vector<std::uint32_t> resized;
  std::uint32_t idles = 0;

  void on_idle() override { ++idles; }
  void on_resized(std::uint32_t node_id) override { resized.push_back(node_id); }
  void on_parked(int /*change*/) override {}

  void settle_down() {
    while (context.turn() || context.has_ready()) {
    }
  }
  template <typename T>
  Started<T> start(aio::Task<T> task) {
    Started<T> started;
    settle(std::move(task), started.result);
    settle_down();
    return started;
  }
  template <typename T>
  T run(aio::Task<T> task) {
    return start(std::move(task)).value();
  }
};

/// A node over a scripted driver, with an edge that holds every permission.
struct TestNode {
  World& world;
  ScriptedDriver* driver;
  std::shared_ptr<block::Node> node;
  block::Edge edge;

  /// `disk` bytes of 'd'. Change the driver in `prepare`: it is opened afterwards.
  template <typename Prepare>
  TestNode(World& owner, std::int64_t disk, block::NodeOptions options, Prepare prepare)
      : world(owner), driver(new ScriptedDriver) {
    driver->size = disk;
    driver->disk.assign(static_cast<std::size_t>(std::min<std::int64_t>(disk, 1 << 20)), 'd');
    prepare(*driver);
    options.id = options.id == 0 ? 1 : options.id;
    node = std::make_shared<block::Node>(world.context, std::move(options),
                                         std::unique_ptr<block::Driver>(driver), world);
    edge = {0, node, block::kChildData | block::kChildPrimary, block::kPermAll, block::kPermAll};
    block::ErrorReport report;
    REQUIRE(world.run(node->open({}, report)).ok());
  }
  TestNode(World& owner, std::int64_t disk, block::NodeOptions options = {})
      : TestNode(owner, disk, std::move(options), [](ScriptedDriver&) {}) {}
  template <typename Prepare>
    requires std::is_invocable_v<Prepare, ScriptedDriver&>
  TestNode(World& owner, std::int64_t disk, Prepare prepare)
      : TestNode(owner, disk, block::NodeOptions{}, prepare) {}

  /// Data must live until the request is done, so the tests' buffers are kept here.
  Started<block::Status> start_write(std::int64_t offset, std::string data,
                                     block::RequestFlags flags = 0) {
    const auto bytes = static_cast<std::int64_t>(data.size());
    return world.start(node->pwritev(edge, offset, bytes, keep(std::move(data)), flags));
  }
  block::Status write(std::int64_t offset, std::string data, block::RequestFlags flags = 0) {
    return start_write(offset, std::move(data), flags).value();
  }
  /// What a read gives, or "error -5".
  std::string read(std::int64_t offset, std::size_t bytes) {
    std::string data(bytes, '?');
    const iovec iov{data.data(), data.size()};
    block::Status status = world.run(
        node->preadv(edge, offset, static_cast<std::int64_t>(bytes), block::IoView(&iov, 1), 0));
    return status.ok() ? data : "error " + std::to_string(status.error);
  }
  block::Status zero(std::int64_t offset, std::int64_t bytes, block::RequestFlags flags = 0) {
    return world.run(node->pwrite_zeroes(edge, offset, bytes, flags));
  }
  block::Status discard(std::int64_t offset, std::int64_t bytes) {
    return world.run(node->pdiscard(edge, offset, bytes));
  }
  Started<block::Status> start_flush() { return world.start(node->flush()); }
  block::Status flush() { return start_flush().value(); }

  /// The calls since the last time this was asked.
  Calls take_calls() { return std::exchange(driver->calls, {}); }
  std::string stored(std::size_t offset, std::size_t bytes) const {
    return {driver->disk.data() + offset, bytes};
  }

 private:
  block::IoView keep(std::string data) {
    kept_.push_back(std::make_unique<std::string>(std::move(data)));
    vectors_.push_back(std::make_unique<iovec>(iovec{kept_.back()->data(), kept_.back()->size()}));
    return {vectors_.back().get(), 1};
  }
  std::vector<std::unique_ptr<std::string>> kept_;
  std::vector<std::unique_ptr<iovec>> vectors_;
};

}  // namespace blk::test
