// An x-probe node without a primary child: bytes in memory, over a backing file.
#include <algorithm>
#include <cerrno>

#include "block/node.hpp"
#include "drivers/probe.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

Task<Status> ProbeDriver::read_memory(std::int64_t offset, std::int64_t bytes, block::IoView data) {
  for (std::int64_t done = 0; done < bytes;) {
    const ProbeStore::Extent extent = store_.extent(offset + done, bytes - done);
    const block::IoSlice part = block::slice_of(data, done, extent.bytes);
    if (extent.state == ProbeStore::State::kData) {
      store_.read(offset + done, part.view(), extent.bytes);
    } else if (extent.state == ProbeStore::State::kZeroes) {
      block::zero_range(part.view(), 0, static_cast<std::size_t>(extent.bytes));
    } else {
      Status status = co_await read_backing(offset + done, extent.bytes, part.view());
      if (!status.ok()) {
        co_return status;
      }
    }
    done += extent.bytes;
  }
  co_return Status();
}

Task<Status> ProbeDriver::read_backing(std::int64_t offset, std::int64_t bytes,
                                       block::IoView data) {
  std::int64_t there = 0;
  block::Edge* below = backing();
  if (below != nullptr) {
    const std::int64_t length = co_await below->node->current_length();
    if (length < 0) {
      co_return Status(static_cast<std::int32_t>(length));
    }
    there = std::clamp<std::int64_t>(length - offset, 0, bytes);
  }
  if (there > 0) {
    const block::IoSlice part = block::slice_of(data, 0, there);
    Status status = co_await below->node->preadv(*below, offset, there, part.view(), 0);
    if (!status.ok()) {
      co_return status;
    }
  }
  block::zero_range(data, static_cast<std::size_t>(there), static_cast<std::size_t>(bytes - there));
  co_return Status();
}

Task<Status> ProbeDriver::write_memory(std::int64_t offset, std::int64_t bytes,
                                       block::IoView data) {
  for (std::int64_t done = 0; done < bytes;) {
    const std::int64_t at = offset + done;
    const std::int64_t piece = ProbeStore::piece(at, bytes - done);
    if (piece < ProbeStore::kClusterBytes) {
      Status status = co_await copy_up(ProbeStore::cluster_of(at));
      if (!status.ok()) {
        co_return status;
      }
    }
    const block::IoSlice part = block::slice_of(data, done, piece);
    if (int error = store_.write(at, part.view(), piece); error != 0) {
      co_return Status(error);
    }
    done += piece;
  }
  size_ = std::max(size_, offset + bytes);
  co_return Status();
}

// Gives an unallocated cluster what the backing file has there.
Task<Status> ProbeDriver::copy_up(std::int64_t cluster) {
  if (store_.is_allocated(cluster) || backing() == nullptr) {
    co_return Status();
  }
  constexpr std::int64_t kBytes = ProbeStore::kClusterBytes;
  const auto buffer = aio::AlignedBuffer::allocate(kBytes, ProbeStore::kBufferAlignment);
  if (!buffer) {
    co_return Status(-ENOMEM);
  }
  const iovec iov{buffer.data(), buffer.size()};
  const std::int64_t start = ProbeStore::start_of(cluster);
  Status status = co_await read_backing(start, kBytes, block::IoView(&iov, 1));
  // Another write may have filled the cluster meanwhile: then it has newer bytes.
  if (status.ok() && !store_.is_allocated(cluster)) {
    status = Status(store_.write(start, block::IoView(&iov, 1), kBytes));
  }
  co_return status;
}

bool ProbeDriver::shows_through(std::int64_t offset) const {
  const block::Edge* below = backing();
  return below != nullptr && offset < below->node->length();
}

Task<Status> ProbeDriver::zero_memory(std::int64_t offset, std::int64_t bytes) {
  for (std::int64_t done = 0; done < bytes;) {
    const std::int64_t at = offset + done;
    const std::int64_t cluster = ProbeStore::cluster_of(at);
    const std::int64_t piece = ProbeStore::piece(at, bytes - done);
    if (piece < ProbeStore::kClusterBytes) {
      Status status = co_await copy_up(cluster);
      if (!status.ok()) {
        co_return status;
      }
      store_.zero_part(at, piece);
      done += piece;
    } else if (shows_through(at)) {
      store_.zero_cluster(cluster);
      done += piece;
    } else {
      // Unallocated is zero from here on: the whole clusters go, however many there are.
      const std::int64_t whole = (bytes - done) / piece;
      store_.drop_range(cluster, cluster + whole);
      done += whole * piece;
    }
  }
  size_ = std::max(size_, offset + bytes);
  co_return Status();
}

// The node has refused what must be zeroed where the options say that this driver cannot.
Task<Status> ProbeDriver::truncate_memory(std::int64_t size) {
  const std::int64_t old_size = size_;
  const block::Edge* below = backing();
  if (size < old_size) {
    store_.cut(size);
  } else if (below != nullptr && below->node->length() > old_size) {
    const std::int64_t end = std::min(size, below->node->length());
    Status status = co_await zero_memory(old_size, end - old_size);
    if (!status.ok()) {
      co_return status;
    }
  }
  size_ = size;
  co_return Status();
}

block::BlockStatus ProbeDriver::memory_status(std::int64_t offset, std::int64_t bytes) const {
  const ProbeStore::Extent extent = store_.extent(offset, bytes);
  block::BlockStatus status;
  status.allocated = extent.state != ProbeStore::State::kUnallocated;
  status.data = extent.state == ProbeStore::State::kData;
  status.zero = status.allocated && !status.data;
  status.bytes = extent.bytes;
  status.offset = offset;
  return status;
}

Task<Status> ProbeDriver::make_empty() {
  if (primary() != nullptr) {
    return Status(-ENOTSUP);
  }
  store_.clear();
  return Status();
}

Task<Status> ProbeDriver::commit() {
  Status status = co_await enter(ProbeHook::kCommit);
  block::Edge* below = backing();
  if (status.ok() && (below == nullptr || primary() != nullptr)) {
    status = Status(-ENOTSUP);
  }
  if (status.ok()) {
    status = co_await grow_backing(*below);
  }
  std::int64_t cluster = 0;
  for (auto next = store_.next_allocated(0); status.ok() && next.has_value();
       next = store_.next_allocated(cluster)) {
    status = co_await commit_cluster(*below, *next);
    cluster = *next + 1;
  }
  if (status.ok()) {
    status = co_await below->node->flush();
  }
  if (status.ok()) {
    store_.clear();  // not before all of it is safe below
  }
  co_return status;
}

Task<Status> ProbeDriver::grow_backing(block::Edge& below) {
  if (below.node->length() >= size_) {
    co_return Status();
  }
  block::TruncateRequest request;
  request.size = size_;
  request.exact = false;
  block::ErrorReport report;
  co_return co_await below.node->truncate(below, request, report);
}

Task<Status> ProbeDriver::commit_cluster(block::Edge& below, std::int64_t cluster) {
  const std::int64_t start = ProbeStore::start_of(cluster);
  const std::int64_t bytes = std::min(ProbeStore::kClusterBytes, size_ - start);
  if (bytes <= 0) {
    co_return Status();
  }
  if (store_.extent(start, bytes).state == ProbeStore::State::kZeroes) {
    co_return co_await below.node->pwrite_zeroes(below, start, bytes, 0);
  }
  // A copy: nothing keeps the cluster while the write is under way.
  const auto buffer =
      aio::AlignedBuffer::allocate(static_cast<std::size_t>(bytes), ProbeStore::kBufferAlignment);
  if (!buffer) {
    co_return Status(-ENOMEM);
  }
  const iovec iov{buffer.data(), buffer.size()};
  store_.read(start, block::IoView(&iov, 1), bytes);
  co_return co_await below.node->pwritev(below, start, bytes, block::IoView(&iov, 1), 0);
}

}  // namespace blk::drivers
