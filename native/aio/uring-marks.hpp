// How the parts of the io_uring engine tell entries and operations apart.
#pragma once

#include <cstdint>

#include "aio/engine.hpp"

namespace blk::aio::uring {

// user_data is the IoOp's address, which is never odd.
inline constexpr std::uint64_t kDoorbellTag = 1;
inline constexpr std::uint64_t kCancelTag = 3;

// IoOp::engine_state
inline constexpr std::uint8_t kTrial = 1;   // a WriteTrial
inline constexpr std::uint8_t kInRing = 2;  // on a socket, in the ring
inline constexpr std::uint8_t kCancelling =
    3;                                         // the same, and in the list of those to be cancelled
inline constexpr std::uint8_t kLoneWrite = 4;  // a buffered write, in the ring

inline IoOp* op_of(std::uint64_t user_data) {
  return reinterpret_cast<IoOp*>(user_data);  // NOLINT(performance-no-int-to-ptr): what we put in
}

}  // namespace blk::aio::uring
