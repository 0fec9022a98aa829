// Numbers that one thread writes and others read, without a lock and without torn values.
//
// A `Cell` is one number. A `Versioned` ties many of them together: what a reader copies between
// two equal even versions belongs to one moment. The writer never waits for anybody.
#pragma once

#include <atomic>
#include <cstdint>

namespace blk::accounting {

/// A 64-bit number with one writing thread. Stores release and loads acquire, which is what
/// Versioned needs instead of fences, and costs nothing on x86.
class Cell {
 public:
  Cell(std::int64_t value = 0) : value_(value) {}  // NOLINT(google-explicit-constructor): a number
  Cell(const Cell& other) : value_(other.get()) {}
  Cell& operator=(const Cell& other) {
    set(other.get());
    return *this;
  }
  ~Cell() = default;

  std::int64_t get() const { return value_.load(std::memory_order_acquire); }
  void set(std::int64_t value) { value_.store(value, std::memory_order_release); }
  /// Goes round rather than overflow: sums of latencies over years are no reason for undefined
  /// behaviour.
  void add(std::int64_t amount) {
    const auto sum = static_cast<std::uint64_t>(value_.load(std::memory_order_relaxed)) +
                     static_cast<std::uint64_t>(amount);
    set(static_cast<std::int64_t>(sum));
  }

 private:
  std::atomic<std::int64_t> value_;
};

/// The version of a group of cells. One thread changes the group, each time within an Update.
class Versioned {
 public:
  Versioned() = default;
  Versioned(const Versioned&) = delete;
  Versioned& operator=(const Versioned&) = delete;

  class Update {
   public:
    explicit Update(Versioned& group)
        : version_(group.version_), before_(version_.load(std::memory_order_relaxed)) {
      version_.store(before_ + 1, std::memory_order_relaxed);
    }
    ~Update() { version_.store(before_ + 2, std::memory_order_release); }
    Update(const Update&) = delete;
    Update& operator=(const Update&) = delete;

   private:
    std::atomic<std::uint64_t>& version_;
    const std::uint64_t before_;
  };

  /// Any thread. Runs `copy`, which reads cells, until it saw all of them between two updates.
  template <typename Copy>
  auto read(Copy copy) const {
    while (true) {
      const std::uint64_t before = version_.load(std::memory_order_acquire);
      auto result = copy();
      // Whoever saw a cell of a later update sees its version here as well.
      if ((before & 1) == 0 && version_.load(std::memory_order_relaxed) == before) {
        return result;
      }
    }
  }

 private:
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace blk::accounting
