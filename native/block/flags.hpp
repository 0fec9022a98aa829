// Request flags, permission bits and child roles, as QEMU names them. lib/ mirrors the numbers.
#pragma once

#include <cstdint>

namespace blk::block {

/// Flags of one request (BDRV_REQ_*). 24 bits travel in a descriptor.
using RequestFlags = std::uint32_t;
inline constexpr RequestFlags kRequestFua = 1U << 0;          // durable before completion
inline constexpr RequestFlags kRequestMayUnmap = 1U << 1;     // zero-writes may deallocate
inline constexpr RequestFlags kRequestNoFallback = 1U << 2;   // zero-writes: efficient or ENOTSUP
inline constexpr RequestFlags kRequestCompressed = 1U << 3;   // compressed write
inline constexpr RequestFlags kRequestSerialising = 1U << 4;  // excludes overlapping requests
inline constexpr RequestFlags kRequestNoWait = 1U << 5;       // EBUSY instead of waiting
inline constexpr RequestFlags kRequestWriteUnchanged = 1U
                                                       << 6;  // guest-visible data stays the same
inline constexpr RequestFlags kRequestCopyOnRead = 1U << 9;  // reads: what comes from below is kept
inline constexpr RequestFlags kRequestPrefetch = 1U << 10;   // reads: only for that, no data
inline constexpr RequestFlags kRequestZeroWrite = 1U << 7;   // copy range: zeroes, and no reading
/// Not QEMU's: a backend does not throttle the request. Nodes never see it.
inline constexpr RequestFlags kRequestUnthrottled = 1U << 8;

/// Permission bits of an edge (BLK_PERM_*).
using Permissions = std::uint32_t;
inline constexpr Permissions kPermConsistentRead = 0x01;
inline constexpr Permissions kPermWrite = 0x02;
inline constexpr Permissions kPermWriteUnchanged = 0x04;
inline constexpr Permissions kPermResize = 0x08;
inline constexpr Permissions kPermAll = 0x0f;

/// Roles of a child (BDRV_CHILD_*).
using ChildRole = std::uint32_t;
inline constexpr ChildRole kChildData = 1U << 0;
inline constexpr ChildRole kChildMetadata = 1U << 1;
inline constexpr ChildRole kChildFiltered = 1U << 2;
inline constexpr ChildRole kChildCow = 1U << 3;
inline constexpr ChildRole kChildPrimary = 1U << 4;

}  // namespace blk::block
