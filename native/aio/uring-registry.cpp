#include "aio/uring-registry.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace blk::aio {
namespace {

// Slots 0..count-1 as a stack with slot 0 on top.
std::vector<int> all_slots(unsigned count) {
  std::vector<int> slots(count);
  for (unsigned i = 0; i < count; ++i) {
    slots[i] = static_cast<int>(count - 1 - i);
  }
  return slots;
}

// A table above the descriptor limit is refused (EMFILE), and liburing would then raise the limit
// of the whole process behind its owner's back.
unsigned file_table_size() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return UringRegistry::kFiles;
  }
  return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, UringRegistry::kFiles));
}

int make_file_table(io_uring& ring, unsigned size) {
  int error = io_uring_register_files_sparse(&ring, size);  // 5.19
  if (error != -EINVAL) {
    return error;
  }
  std::vector<int> empty(size, -1);
  return io_uring_register_files(&ring, empty.data(), size);
}

}  // namespace

void UringRegistry::open() {
  unsigned files = file_table_size();
  if (files > 0 && make_file_table(ring_, files) == 0) {
    free_files_ = all_slots(files);
  }
  if (io_uring_register_buffers_sparse(&ring_, kRegions) == 0) {  // 5.19
    free_regions_ = all_slots(kRegions);
  }
}

int UringRegistry::register_file(File& file) {
  if (file.ring_slot == kRefused || free_files_.empty()) {
    return kNone;
  }
  int slot = free_files_.back();
  int fd = file.fd.get();
  if (io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &fd, 1) != 1) {
    file.ring_slot = kRefused;
    return kNone;
  }
  free_files_.pop_back();
  file.ring_slot = slot;
  return slot;
}

void UringRegistry::forget_file(File& file) {
  int slot = file.ring_slot;
  file.ring_slot = -1;
  if (slot < 0) {
    return;
  }
  int none = -1;
  // Cannot fail for a slot that is in use; if it did, reusing the slot would still be right, since
  // an update replaces whatever is there.
  io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &none, 1);
  free_files_.push_back(slot);
}

int UringRegistry::find_region(const MemoryRegion& region) {
  // Foreign memory may be unmapped by its owner as soon as the last request is done, without a
  // word to us: it is never pinned.
  if (region.is_foreign()) {
    return kNone;
  }
  auto found = regions_.find(region.id());
  if (found != regions_.end()) {
    return found->second;
  }
  int slot = register_region(region);
  regions_.emplace(region.id(), slot);
  return slot;
}

int UringRegistry::register_region(const MemoryRegion& region) {
  if (free_regions_.empty() || region.size() > kLargestRegion) {
    return kNone;
  }
  int slot = free_regions_.back();
  iovec memory{region.base(), region.size()};
  __u64 tag = 0;
  if (io_uring_register_buffers_update_tag(&ring_, static_cast<unsigned>(slot), &memory, &tag, 1) !=
      1) {
    return kNone;  // mostly ENOMEM: the locked-memory limit
  }
  free_regions_.pop_back();
  return slot;
}

void UringRegistry::forget_region(const MemoryRegion& region) {
  auto found = regions_.find(region.id());
  if (found == regions_.end()) {
    return;
  }
  int slot = found->second;
  regions_.erase(found);
  last_region_ = UINT64_MAX;
  if (slot == kNone) {
    return;
  }
  iovec none{nullptr, 0};
  __u64 tag = 0;
  io_uring_register_buffers_update_tag(&ring_, static_cast<unsigned>(slot), &none, &tag, 1);
  free_regions_.push_back(slot);
  forget_refused_regions();
}

// A slot and some locked memory became free: regions refused so far get another chance.
void UringRegistry::forget_refused_regions() {
  for (auto item = regions_.begin(); item != regions_.end();) {
    item = item->second == kNone ? regions_.erase(item) : std::next(item);
  }
}

}  // namespace blk::aio
