#include "drivers/file.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "aio/blocking.hpp"
#include "block/node.hpp"

namespace blk::drivers {

using aio::IoAwaiter;
using aio::IoOpcode;
using aio::Task;
using block::IoSlice;
using block::IoView;
using block::Status;

namespace {

bool is_transient(std::int64_t result) { return result == -EINTR || result == -EAGAIN; }

}  // namespace

// --- data

bool FileDriver::needs_bounce(const IoView& data) const {
  return data.count > (vectored_ ? block::kMaxIov : 1) ||
         (file_.direct && !block::is_aligned(data, limits_.memory_alignment));
}

// A host without vectored transfers is asked once. What one left undone would have to begin
// anywhere in the vector, where O_DIRECT may not like it, so all of it is done again (FILE-18).
bool FileDriver::must_linearize(const IoView& data, std::int64_t bytes, std::int64_t result) {
  if (data.count <= 1) {
    return false;
  }
  vectored_ = vectored_ && result != -ENOSYS;
  return result == -ENOSYS || (result > 0 && result < bytes);
}

Task<Status> FileDriver::preadv(std::int64_t offset, std::int64_t bytes, IoView data,
                                block::RequestFlags /*flags*/) {
  return needs_bounce(data) ? read_bounced(offset, bytes, data) : read(offset, bytes, data);
}

Task<Status> FileDriver::pwritev(std::int64_t offset, std::int64_t bytes, IoView data,
                                 block::RequestFlags /*flags*/) {
  return needs_bounce(data) ? write_bounced(offset, bytes, data) : write(offset, bytes, data);
}

block::DirectStep FileDriver::direct_step(const block::Transfer& transfer) const {
  if (needs_bounce(transfer.data)) {
    return {};
  }
  return {block::Passage::kHere, nullptr, transfer.offset};
}

void FileDriver::start_direct(const block::Transfer& transfer, block::DirectTransfer& direct) {
  direct.enqueue(engine(), file_, transfer);
}

Task<Status> FileDriver::finish_direct(const block::Transfer& transfer, std::int64_t result) {
  return transfer.is_write ? finish_write(transfer.offset, transfer.bytes, transfer.data, result)
                           : finish_read(transfer.offset, transfer.bytes, transfer.data, result);
}

Task<Status> FileDriver::read(std::int64_t offset, std::int64_t bytes, IoView data) {
  IoAwaiter op(engine(), IoOpcode::kRead, file_, data.iov, data.count, offset, data.region);
  const std::int64_t result = co_await op;
  if (result == bytes) {
    co_return Status();
  }
  co_return co_await finish_read(offset, bytes, data, result);
}

Task<Status> FileDriver::finish_read(std::int64_t offset, std::int64_t bytes, IoView data,
                                     std::int64_t result) {
  return must_linearize(data, bytes, result) ? read_bounced(offset, bytes, data)
                                             : read_rest(offset, bytes, data, result);
}

// Everything but a full transfer: interrupted, partial, or at the end of the file.
Task<Status> FileDriver::read_rest(std::int64_t offset, std::int64_t bytes, IoView data,
                                   std::int64_t first_result) {
  std::int64_t done = 0;
  std::int64_t result = first_result;
  while (true) {
    if (result > 0) {
      done += result;
    } else if (result == -EINVAL && file_.direct && done > 0) {
      result = 0;  // O_DIRECT refuses the odd tail that a short read left: end of file (FILE-10)
    }
    if (done == bytes) {
      co_return Status();
    }
    if (result == 0) {
      block::zero_range(data, static_cast<std::size_t>(done),
                        static_cast<std::size_t>(bytes - done));
      co_return Status();
    }
    if (result < 0 && !is_transient(result)) {
      co_return Status(static_cast<int>(result));
    }
    const IoSlice rest(data, static_cast<std::size_t>(done),
                       static_cast<std::size_t>(bytes - done));
    const IoView view = rest.view();
    IoAwaiter op(engine(), IoOpcode::kRead, file_, view.iov, view.count, offset + done,
                 view.region);
    result = co_await op;
  }
}

Task<Status> FileDriver::write(std::int64_t offset, std::int64_t bytes, IoView data) {
  IoAwaiter op(engine(), IoOpcode::kWrite, file_, data.iov, data.count, offset, data.region);
  const std::int64_t result = co_await op;
  if (result == bytes) {
    co_return Status();
  }
  co_return co_await finish_write(offset, bytes, data, result);
}

Task<Status> FileDriver::finish_write(std::int64_t offset, std::int64_t bytes, IoView data,
                                      std::int64_t result) {
  return must_linearize(data, bytes, result) ? write_bounced(offset, bytes, data)
                                             : write_rest(offset, bytes, data, result);
}

// A write that made progress goes on until the kernel says why it stopped. One without progress has
// no errno to give: ENOSPC from a ring, EINVAL from the thread pool, as QEMU has it (PLUG-7).
Task<Status> FileDriver::write_rest(std::int64_t offset, std::int64_t bytes, IoView data,
                                    std::int64_t first_result) {
  std::int64_t done = 0;
  std::int64_t result = first_result;
  while (true) {
    done += std::max<std::int64_t>(result, 0);
    if (done == bytes) {
      co_return Status();
    }
    if (result == 0) {
      const bool is_ring = std::strcmp(engine().name(), "io_uring") == 0 && !file_.workers_only;
      co_return Status(is_ring ? -ENOSPC : -EINVAL);
    }
    if (result < 0 && !is_transient(result)) {
      co_return Status(static_cast<int>(result));
    }
    const IoSlice rest(data, static_cast<std::size_t>(done),
                       static_cast<std::size_t>(bytes - done));
    const IoView view = rest.view();
    IoAwaiter op(engine(), IoOpcode::kWrite, file_, view.iov, view.count, offset + done,
                 view.region);
    result = co_await op;
  }
}

Task<Status> FileDriver::read_bounced(std::int64_t offset, std::int64_t bytes, IoView data) {
  ++counters_.bounced;
  aio::AlignedBuffer linear =
      aio::AlignedBuffer::allocate(static_cast<std::size_t>(bytes), limits_.memory_alignment);
  if (!linear) {
    co_return Status(-ENOMEM);
  }
  const iovec all{linear.data(), linear.size()};
  Status status = co_await read(offset, bytes, IoView(&all, 1));
  if (status.ok()) {
    block::copy_from_linear(data, linear.data(), linear.size());
  }
  co_return status;
}

Task<Status> FileDriver::write_bounced(std::int64_t offset, std::int64_t bytes, IoView data) {
  ++counters_.bounced;
  aio::AlignedBuffer linear =
      aio::AlignedBuffer::allocate(static_cast<std::size_t>(bytes), limits_.memory_alignment);
  if (!linear) {
    co_return Status(-ENOMEM);
  }
  block::copy_to_linear(linear.data(), data, linear.size());
  const iovec all{linear.data(), linear.size()};
  co_return co_await write(offset, bytes, IoView(&all, 1));
}

Task<Status> FileDriver::flush_to_disk() {
  if (sticky_flush_error_ != 0) {
    co_return Status(sticky_flush_error_);
  }
  std::int64_t result = 0;
  do {
    IoAwaiter op(engine(), IoOpcode::kFdatasync, file_);
    result = co_await op;
  } while (is_transient(result));
  if (result >= 0) {
    co_return Status();
  }
  // After a failed fdatasync the kernel may have dropped the dirty pages and would report success
  // next time. ECANCELED is our own teardown and says nothing about the disk.
  if (!file_.direct && result != -ECANCELED) {
    sticky_flush_error_ = static_cast<int>(result);
  }
  co_return Status(static_cast<int>(result));
}

// --- contexts

void FileDriver::plug() {
  plugged_ = true;
  context_->plug();
}

void FileDriver::unplug() {
  plugged_ = false;
  context_->unplug();
}

void FileDriver::detach_context() {
  if (plugged_) {
    context_->unplug();
  }
  engine().forget_file(file_);
}

void FileDriver::attach_context(aio::AioContext& context) {
  context_ = &context;
  if (plugged_) {
    context_->plug();
  }
}

}  // namespace blk::drivers
