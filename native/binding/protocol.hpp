// The numbers that native/ and lib/aio/protocol.ts share; see there for what each word means.
#pragma once

#include <cstddef>
#include <cstdint>

namespace blk::binding {

inline constexpr std::uint8_t kOperationVector = 15;

/// Switches of a backend (BackendFlag).
enum class FlagId : std::uint8_t {
  kTrayOpen = 0,
  kWriteCache = 1,
  kAllowWriteBeyondEnd = 2,
  kDisableQueueing = 3,
};

/// What owners of backends account themselves (AccountEvent).
enum class AccountEvent : std::uint8_t { kDone = 0, kFailed = 1, kInvalid = 2, kMerged = 3 };

inline constexpr std::size_t kDescriptorBytes = 64;
inline constexpr std::uint32_t kSubmissionCapacity = 4096;
inline constexpr std::size_t kCompletionBytes = 16;
inline constexpr std::uint32_t kCompletionCapacity = 4096;
inline constexpr std::size_t kHeaderBytes = 64;

inline constexpr std::int32_t kSlotSync = -1;  // the request that runSync() is to run

inline constexpr std::int32_t kEventIdle = -1;
inline constexpr std::int32_t kEventResized = -2;
inline constexpr std::int32_t kEventWarning = -3;
inline constexpr std::int32_t kEventWriteThreshold = -4;
inline constexpr std::int32_t kEventNbdQuestion = -5;

/// The layout of one descriptor, as JavaScript writes it. Every field is at the word that
/// `Descriptor` in protocol.ts names.
struct Descriptor {
  std::uint32_t operation_and_flags;
  std::int32_t slot;
  double backend;
  double offset;
  double length;
  std::uint32_t region;
  std::uint32_t buffers;
  double region_offset;
  double argument;
  std::int32_t generation;
  std::int32_t account;
};
static_assert(sizeof(Descriptor) == kDescriptorBytes);
static_assert(offsetof(Descriptor, region) == 8UL * 4 &&
              offsetof(Descriptor, region_offset) == 5UL * 8);
static_assert(offsetof(Descriptor, generation) == 14UL * 4);
static_assert(offsetof(Descriptor, account) == 15UL * 4);

/// Further buffers of a vectored request.
struct VectorDescriptor {
  std::uint32_t operation;
  std::uint32_t buffers;
  std::uint32_t first_region;
  std::uint32_t unused;
  double first_offset;
  double first_length;
  std::uint32_t second_region;
  std::uint32_t unused_too;
  double second_offset;
  double second_length;
  double unused_three;
};
static_assert(sizeof(VectorDescriptor) == kDescriptorBytes);
static_assert(offsetof(VectorDescriptor, second_region) == 8UL * 4);
static_assert(offsetof(VectorDescriptor, second_offset) == 5UL * 8);

struct CompletionEntry {
  double result;
  std::int32_t slot;
  std::int32_t node;
};
static_assert(sizeof(CompletionEntry) == kCompletionBytes);

struct Header {
  std::int32_t submitted;
  std::int32_t sync_node;
};

}  // namespace blk::binding
