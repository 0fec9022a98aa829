#include "binding/submission-reader.hpp"

#include <cerrno>
#include <limits>

#include "binding/environment.hpp"

namespace blk::binding {
namespace {

std::int64_t to_integer(double number) {
  // lib/ passes 64-bit integers; anything else is its bug, and must not be undefined behaviour.
  return number >= -9223372036854775808.0 && number < 9223372036854775808.0
             ? static_cast<std::int64_t>(number)
             : std::numeric_limits<std::int64_t>::min();
}

bool is_transfer(const block::Request& request) {
  switch (request.operation) {
    case block::Operation::kRead:
    case block::Operation::kWrite:
    case block::Operation::kSaveVmstate:
    case block::Operation::kLoadVmstate:
      return true;
    default:
      return false;
  }
}

int locate(const aio::MemoryRegion* memory, double offset, double length, iovec& part) {
  const std::int64_t start = to_integer(offset);
  const std::int64_t bytes = to_integer(length);
  if (memory == nullptr || start < 0 || bytes < 0 ||
      static_cast<std::uint64_t>(start) > memory->size() ||
      static_cast<std::uint64_t>(bytes) > memory->size() - static_cast<std::uint64_t>(start)) {
    return -EFAULT;
  }
  part = {memory->base() + start, static_cast<std::size_t>(bytes)};
  return 0;
}

}  // namespace

std::uint32_t SubmissionReader::read(std::span<const Descriptor> waiting, BoundRequest& request) {
  prepare(request, waiting.front());
  std::uint32_t used = 1;
  int error = find_memory(request, waiting, used);
  if (error == 0 && request.operation == block::Operation::kCopyRange) {
    error = find_target(request, waiting.front());
  }
  if (request.home == nullptr || error != 0) {
    request.result = error != 0 ? error : -EBADF;
    request.home = nullptr;
    request.backend = nullptr;
  }
  return used;
}

void SubmissionReader::prepare(BoundRequest& request, const Descriptor& descriptor) {
  request.operation = static_cast<block::Operation>(descriptor.operation_and_flags & 0xff);
  request.flags = descriptor.operation_and_flags >> 8;
  request.slot = descriptor.slot;
  request.generation = descriptor.generation;
  request.offset = to_integer(descriptor.offset);
  request.bytes = to_integer(descriptor.length);
  request.argument = to_integer(descriptor.argument);
  request.account = accounting::account_type(descriptor.account);
  request.uncount_before_callback = request.operation == block::Operation::kAbort;
  BoundBackend* target = environment_.backends.find(descriptor.backend);
  request.home = target != nullptr ? target->home.get() : nullptr;
  request.backend = target != nullptr ? &target->backend : nullptr;
  request.copy_target = nullptr;
}

// 0, or why the two ends of a copy cannot meet.
int SubmissionReader::find_target(BoundRequest& request, const Descriptor& descriptor) {
  BoundBackend* target = environment_.backends.find(descriptor.region_offset);
  if (target == nullptr) {
    return -EBADF;
  }
  // Its nodes belong to another thread (lib/ has refused it with a sentence).
  if (target->home.get() != request.home) {
    return -ENOTSUP;
  }
  request.copy_target = &target->backend;
  return 0;
}

int SubmissionReader::find_memory(BoundRequest& request, std::span<const Descriptor> waiting,
                                  std::uint32_t& used) {
  const Descriptor& descriptor = waiting.front();
  request.single = {nullptr, 0};
  if (descriptor.buffers <= 1) {
    return find_single(request, descriptor);
  }
  const std::uint32_t following = (descriptor.buffers + 1) / 2;
  if (following >= waiting.size()) {
    return -EINVAL;
  }
  used += following;
  for (const Descriptor& next : waiting.subspan(1, following)) {
    const auto& more = reinterpret_cast<const VectorDescriptor&>(next);
    int error = add_buffer(request, more.first_region, more.first_offset, more.first_length);
    if (error == 0 && more.buffers > 1) {
      error = add_buffer(request, more.second_region, more.second_offset, more.second_length);
    }
    if (error != 0) {
      return error;
    }
  }
  std::int64_t total = 0;
  for (const iovec& part : request.vector) {
    total += static_cast<std::int64_t>(part.iov_len);
  }
  return total == request.bytes ? 0 : -EINVAL;
}

int SubmissionReader::find_single(BoundRequest& request, const Descriptor& descriptor) {
  if (descriptor.region == 0) {
    // Too long to have memory: the range check refuses it before any would be touched.
    const bool touches_memory =
        is_transfer(request) && request.bytes != 0 && request.bytes <= block::kMaxTransfer;
    return touches_memory ? -EFAULT : 0;
  }
  request.region = environment_.regions.find(descriptor.region);
  return locate(request.region.get(), descriptor.region_offset, descriptor.length, request.single);
}

int SubmissionReader::add_buffer(BoundRequest& request, std::uint32_t region, double offset,
                                 double length) {
  const auto& memory = environment_.regions.find(region);
  iovec part{};
  if (int error = locate(memory.get(), offset, length, part); error != 0) {
    return error;
  }
  request.vector.push_back(part);
  if (request.regions.empty() || request.regions.back() != memory) {
    request.regions.push_back(memory);
  }
  return 0;
}

}  // namespace blk::binding
