// Block status for clients: extents of a metadata context, found with block-status requests or read
// from a dirty bitmap.
#pragma once

#include <cstdint>
#include <vector>

#include "aio/task.hpp"
#include "exports/nbd-contexts.hpp"
#include "exports/nbd-export.hpp"
#include "exports/nbd-reply.hpp"
#include "exports/nbd-request.hpp"

namespace blk::exports {

/// One request for block status. Ends with the reply's chunks in the request.
class NbdStatus {
 public:
  /// In one chunk, each 8 or 16 bytes long; the client asks on.
  static constexpr std::size_t kMaxExtents = 8192;

  NbdStatus(NbdRequest& request, const NbdExport& item, const NbdContexts& contexts,
            NbdReplyStyle style)
      : request_(request), item_(item), contexts_(contexts), style_(style) {}
  NbdStatus(const NbdStatus&) = delete;
  NbdStatus& operator=(const NbdStatus&) = delete;

  /// 0 or a negative errno.
  aio::Task<int> run();

 private:
  struct Extent {
    std::uint64_t length;
    std::uint32_t state;
  };

  aio::Task<int> ask(bool depth);
  int look_up(const std::string& bitmap);
  bool add(std::uint64_t length, std::uint32_t state);
  void append_chunk(std::uint32_t id);
  bool is_full() const;

  NbdRequest& request_;
  const NbdExport& item_;
  const NbdContexts& contexts_;
  const NbdReplyStyle style_;
  std::vector<Extent> extents_;
  std::uint32_t chunks_left_ = 0;
};

}  // namespace blk::exports
