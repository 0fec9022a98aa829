#include "aio/memory.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "support.hpp"

using blk::aio::AlignedBuffer;
using blk::aio::MemoryRegion;

TEST_CASE("aio/memory: a region is zeroed, page aligned, and has an id of its own") {
  const auto first = MemoryRegion::allocate(10'000);
  const auto second = MemoryRegion::allocate(4096);
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(first->base()) % 4096 == 0);
  CHECK(first->size() == 10'000);
  CHECK(first->base()[9'999] == std::byte{0});
  CHECK(first->id() != second->id());
  CHECK_FALSE(first->is_foreign());
}

TEST_CASE("aio/memory: an impossible region is refused, not thrown") {
  CHECK(MemoryRegion::allocate(std::size_t{1} << 60) == nullptr);
  CHECK(MemoryRegion::allocate(0) == nullptr);
#if !BLK_TEST_SANITIZER_ALLOCATOR
  CHECK_FALSE(AlignedBuffer::allocate(std::size_t{1} << 60, 4096));
#endif
}

TEST_CASE("aio/memory: a foreign region does not own its memory, and knows its bounds") {
  char memory[100];
  std::uint64_t id = 0;
  {
    const auto region = MemoryRegion::foreign(memory, sizeof(memory));
    CHECK(region->is_foreign());
    id = region->id();
    CHECK(region->contains(memory, 100));
    CHECK(region->contains(memory + 100, 0));
    CHECK_FALSE(region->contains(memory, 101));
    CHECK_FALSE(region->contains(memory + 1, 100));
    CHECK_FALSE(region->contains(memory + 1, SIZE_MAX));
    CHECK_FALSE(region->contains(&id, 1));
  }
  std::memset(memory, 1, sizeof(memory));
  CHECK(MemoryRegion::foreign(memory, sizeof(memory))->id() != id);
}

TEST_CASE("aio/memory: a buffer has the alignment asked for, and moves") {
  for (std::size_t alignment : {1u, 16u, 512u, 4096u, 65536u}) {
    AlignedBuffer buffer = AlignedBuffer::allocate(1000, alignment);
    REQUIRE(buffer);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % alignment == 0);
    std::memset(buffer.data(), 1, buffer.size());
    const AlignedBuffer moved = std::move(buffer);
    CHECK(moved.size() == 1000);
  }
  CHECK(AlignedBuffer::allocate(0, 512));
}
