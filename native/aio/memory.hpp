// Memory that the kernel may write into: regions with an identity and a reference count.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace blk::aio {

/// A page-aligned mapping shown to JavaScript as one ArrayBuffer, or foreign memory (a
/// SharedArrayBuffer) that somebody else keeps alive. Requests hold a reference, so a region
/// outlives every request into it whatever JavaScript does with the ArrayBuffer.
/// `id` is unique in the process and never reused; engines key their registrations by it.
class MemoryRegion {
 public:
  /// Anonymous zeroed memory, page aligned; null when the kernel refuses (ENOMEM).
  static std::shared_ptr<MemoryRegion> allocate(std::size_t bytes);
  /// Memory owned elsewhere. The caller keeps it mapped until the last request is done.
  static std::shared_ptr<MemoryRegion> foreign(void* base, std::size_t bytes);

  MemoryRegion(const MemoryRegion&) = delete;
  MemoryRegion& operator=(const MemoryRegion&) = delete;
  ~MemoryRegion();

  std::byte* base() const { return base_; }
  std::size_t size() const { return size_; }
  std::uint64_t id() const { return id_; }
  bool is_foreign() const { return foreign_; }

  bool contains(const void* start, std::size_t bytes) const {
    const auto* first = static_cast<const std::byte*>(start);
    return first >= base_ && bytes <= size_ &&
           static_cast<std::size_t>(first - base_) <= size_ - bytes;
  }

 private:
  MemoryRegion(std::byte* base, std::size_t size, bool foreign);

  std::byte* base_;
  std::size_t size_;
  std::uint64_t id_;
  bool foreign_;
};

/// A heap buffer with a given alignment that reports failure instead of throwing.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// `alignment` is a power of two. Empty (false) when out of memory.
  static AlignedBuffer allocate(std::size_t bytes, std::size_t alignment);

  explicit operator bool() const { return memory_ != nullptr; }
  std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace blk::aio
