// Steps of requests that a driver below can be told of (BLKDBG_*).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace blk::block {

/// QAPI's BlkdebugEvent, in its order. Those that no driver here raises are known all the same, so
/// that rules for them can be loaded.
enum class DebugEvent : std::uint8_t {
  kL1Update,
  kL1GrowAllocTable,
  kL1GrowWriteTable,
  kL1GrowActivateTable,
  kL2Load,
  kL2Update,
  kL2UpdateCompressed,
  kL2AllocCowRead,
  kL2AllocWrite,
  kReadAio,  // raw, of its file
  kReadBackingAio,
  kReadCompressed,
  kWriteAio,  // raw, of its file
  kWriteCompressed,
  kVmstateLoad,
  kVmstateSave,
  kCowRead,
  kCowWrite,
  kReftableLoad,
  kReftableGrow,
  kReftableUpdate,
  kRefblockLoad,
  kRefblockUpdate,
  kRefblockUpdatePart,
  kRefblockAlloc,
  kRefblockAllocHookup,
  kRefblockAllocWrite,
  kRefblockAllocWriteBlocks,
  kRefblockAllocWriteTable,
  kRefblockAllocSwitchTable,
  kClusterAlloc,
  kClusterAllocBytes,
  kClusterFree,
  kFlushToOs,    // any node, of its primary child
  kFlushToDisk,  // the same, when there is something to flush
  kPwritevRmwHead,
  kPwritevRmwAfterHead,
  kPwritevRmwTail,
  kPwritevRmwAfterTail,
  kPwritev,
  kPwritevZero,
  kPwritevDone,
  kEmptyImagePrepare,
  kL1ShrinkWriteTable,
  kL1ShrinkFreeL2Clusters,
  kCorWrite,
  kClusterAllocSpace,
  kNone,  // the driver has been opened
};
inline constexpr std::size_t kDebugEvents = static_cast<std::size_t>(DebugEvent::kNone) + 1;

/// By QAPI's name: "pwritev_rmw_head".
std::optional<DebugEvent> debug_event_named(std::string_view name);

}  // namespace blk::block
