// What becomes of the requests of a connection.
#include <cerrno>

#include "exports/nbd-connection.hpp"
#include "exports/nbd-status.hpp"

namespace blk::exports {

using accounting::AccountType;
using aio::Detached;
using aio::Task;
using block::Operation;
using nbd::Command;

namespace {

bool is_change(Command command) {
  return command == Command::kWrite || command == Command::kWriteZeroes ||
         command == Command::kTrim;
}

std::uint16_t known_flags(Command command, const NbdReplyStyle& style) {
  switch (command) {
    case Command::kRead:
      return nbd::kFlagFua | (style.structured ? nbd::kFlagDf : 0);
    case Command::kWrite:
      return nbd::kFlagFua | (style.extended ? nbd::kFlagPayloadLength : 0);
    case Command::kWriteZeroes:
      return nbd::kFlagFua | nbd::kFlagNoHole | nbd::kFlagFastZero;
    case Command::kBlockStatus:
      return nbd::kFlagFua | nbd::kFlagRequestOne;
    default:
      return nbd::kFlagFua;
  }
}

/// Commands whose data, or whose work, is bounded by the largest payload.
bool is_bounded(Command command) {
  return command == Command::kRead || command == Command::kWrite || command == Command::kCache;
}

bool has_range(Command command) { return command != Command::kFlush; }

void prepare(NbdRequest& request, Operation operation, block::RequestFlags flags,
             AccountType account) {
  request.operation = operation;
  request.flags = flags;
  request.offset = static_cast<std::int64_t>(request.header.offset);
  request.bytes = static_cast<std::int64_t>(request.header.length);
  request.single = {};
  request.argument = 0;
  request.account = account;
  request.accounted_since = request.backend->context().batch_time();
}

block::RequestFlags fua_of(const NbdRequest& request) {
  return (request.header.flags & nbd::kFlagFua) != 0 ? block::kRequestFua : 0;
}

}  // namespace

Detached NbdConnection::serve(NbdRequest& request) {
  request.backend = &item().backend();
  int error = check(request);
  if (error == 0) {
    error = co_await perform(request);
  }
  answer(request, error);
}

// 0 or a negative errno. Whatever the request asks for, its payload has been received.
int NbdConnection::check(const NbdRequest& request) const {
  const NbdHeader& header = request.header;
  const auto size = static_cast<std::uint64_t>(item().options().size);
  if ((header.flags & ~known_flags(header.command, style())) != 0) {
    return -EINVAL;
  }
  if (agreement_.extended && header.command == Command::kWrite &&
      (header.flags & nbd::kFlagPayloadLength) == 0) {
    return -EINVAL;
  }
  if (is_change(header.command) && item().is_read_only()) {
    return -EPERM;
  }
  if (is_bounded(header.command) && header.length > nbd::kMaxPayload) {
    return -EINVAL;
  }
  if (has_range(header.command) && (header.offset > size || header.length > size - header.offset)) {
    const bool writes =
        header.command == Command::kWrite || header.command == Command::kWriteZeroes;
    return writes ? -ENOSPC : -EINVAL;
  }
  return request.data_bytes != 0 && !request.data ? -ENOMEM : 0;
}

Task<int> NbdConnection::perform(NbdRequest& request) {
  switch (request.header.command) {
    case Command::kRead:
      return read(request);
    case Command::kWrite:
      return write(request);
    case Command::kFlush:
      return flush(request);
    case Command::kTrim:
      return trim(request);
    case Command::kCache:
      return cache(request);
    case Command::kWriteZeroes:
      return write_zeroes(request);
    case Command::kBlockStatus:
      return block_status(request);
    default:
      return -EINVAL;
  }
}

Task<int> NbdConnection::read(NbdRequest& request) {
  prepare(request, Operation::kRead, 0, AccountType::kRead);
  request.single = {request.data.data(), static_cast<std::size_t>(request.header.length)};
  const std::int64_t result = co_await BackendCall(request);
  co_return result < 0 ? static_cast<int>(result) : 0;
}

Task<int> NbdConnection::write(NbdRequest& request) {
  prepare(request, Operation::kWrite, fua_of(request), AccountType::kWrite);
  request.single = {request.data.data(), static_cast<std::size_t>(request.header.length)};
  const std::int64_t result = co_await BackendCall(request);
  co_return result < 0 ? static_cast<int>(result) : 0;
}

Task<int> NbdConnection::flush(NbdRequest& request) {
  prepare(request, Operation::kFlush, 0, AccountType::kFlush);
  request.offset = request.bytes = 0;
  const std::int64_t result = co_await BackendCall(request);
  co_return result < 0 ? static_cast<int>(result) : 0;
}

Task<int> NbdConnection::trim(NbdRequest& request) {
  prepare(request, Operation::kDiscard, 0, AccountType::kUnmap);
  const std::int64_t result = co_await BackendCall(request);
  if (result < 0) {
    co_return static_cast<int>(result);
  }
  if (fua_of(request) == 0) {
    co_return 0;
  }
  co_return co_await flush(request);  // discards have no FUA of their own
}

Task<int> NbdConnection::write_zeroes(NbdRequest& request) {
  block::RequestFlags flags = fua_of(request);
  flags |= (request.header.flags & nbd::kFlagNoHole) == 0 ? block::kRequestMayUnmap : 0;
  flags |= (request.header.flags & nbd::kFlagFastZero) != 0 ? block::kRequestNoFallback : 0;
  prepare(request, Operation::kWriteZeroes, flags, AccountType::kWrite);
  const std::int64_t result = co_await BackendCall(request);
  co_return result < 0 ? static_cast<int>(result) : 0;
}

// Into the image from what is below it, where that may be written.
Task<int> NbdConnection::cache(NbdRequest& request) {
  const block::RequestFlags copy = item().is_read_only() ? 0 : block::kRequestCopyOnRead;
  prepare(request, Operation::kRead, block::kRequestPrefetch | copy, AccountType::kNone);
  const std::int64_t result = co_await BackendCall(request);
  co_return result < 0 ? static_cast<int>(result) : 0;
}

Task<int> NbdConnection::block_status(NbdRequest& request) {
  if (agreement_.contexts.empty() || request.header.length == 0) {
    co_return -EINVAL;
  }
  prepare(request, Operation::kBlockStatus, 0, AccountType::kNone);
  NbdStatus status(request, item(), agreement_.contexts, style());
  co_return co_await status.run();
}

void NbdConnection::answer(NbdRequest& request, std::int64_t error) {
  if (error < 0) {
    make_error_reply(request, style(), error);
  } else if (request.header.command == Command::kBlockStatus) {
    request.head_bytes = 0;
    request.body = {request.status.data(), request.status.size()};
  } else {
    make_reply(request, style());
  }
  writer_.queue(request);
}

}  // namespace blk::exports
