#include "aio/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace blk::aio {

namespace {

/// Unique for the life of the process, so that an engine never takes a new region for an old one
/// that happened to lie at the same address.
std::uint64_t next_region_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

MemoryRegion::MemoryRegion(std::byte* base, std::size_t size, bool foreign)
    : base_(base), size_(size), id_(next_region_id()), foreign_(foreign) {}

MemoryRegion::~MemoryRegion() {
  if (!foreign_) {
    ::munmap(base_, size_);
  }
}

std::shared_ptr<MemoryRegion> MemoryRegion::allocate(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  return std::shared_ptr<MemoryRegion>(
      new MemoryRegion(static_cast<std::byte*>(memory), bytes, false));
}

std::shared_ptr<MemoryRegion> MemoryRegion::foreign(void* base, std::size_t bytes) {
  return std::shared_ptr<MemoryRegion>(
      new MemoryRegion(static_cast<std::byte*>(base), bytes, true));
}

AlignedBuffer AlignedBuffer::allocate(std::size_t bytes, std::size_t alignment) {
  AlignedBuffer buffer;
  void* memory = nullptr;
  if (::posix_memalign(&memory, std::max(alignment, sizeof(void*)),
                       std::max<std::size_t>(bytes, 1)) == 0) {
    buffer.memory_.reset(static_cast<std::byte*>(memory));
    buffer.size_ = bytes;
  }
  return buffer;
}

void AlignedBuffer::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

}  // namespace blk::aio
