#include "block/dirty-bitmap.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <new>
#include <utility>

namespace blk::block {

namespace {

constexpr std::uint64_t kBits = 64;

/// The bits of one word from `first` to `last`.
constexpr std::uint64_t bits_between(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t from = ~std::uint64_t{0} << first;
  const std::uint64_t to = ~std::uint64_t{0} >> (kBits - 1 - last);
  return from & to;
}

}  // namespace

DirtyBitmap::DirtyBitmap(std::string name, std::uint32_t granularity, bool recording)
    : name_(std::move(name)), granularity_(granularity), recording_(recording) {}

std::unique_ptr<DirtyBitmap> DirtyBitmap::create(std::string name, std::uint32_t granularity,
                                                 std::int64_t length, bool recording) {
  std::unique_ptr<DirtyBitmap> bitmap(new (std::nothrow)
                                          DirtyBitmap(std::move(name), granularity, recording));
  return bitmap && bitmap->allocate(length) ? std::move(bitmap) : nullptr;
}

std::uint64_t DirtyBitmap::chunks(std::int64_t length) const {
  const auto bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(length, 0));
  return bytes / granularity_ + (bytes % granularity_ != 0 ? 1 : 0);
}

bool DirtyBitmap::allocate(std::int64_t length) {
  try {
    words_.resize(static_cast<std::size_t>((chunks(length) + kBits - 1) / kBits));
  } catch (const std::exception&) {  // bad_alloc, length_error
    return false;
  }
  length_ = length;
  return true;
}

void DirtyBitmap::mark(std::int64_t offset, std::int64_t bytes) {
  const std::int64_t end = offset > length_ - bytes ? length_ : offset + bytes;
  if (bytes <= 0 || offset < 0 || offset >= end) {
    return;
  }
  mark_chunks(static_cast<std::uint64_t>(offset) / granularity_,
              static_cast<std::uint64_t>(end - 1) / granularity_);
}

void DirtyBitmap::mark_chunks(std::uint64_t first, std::uint64_t last) {
  std::uint64_t fresh = 0;
  for (std::uint64_t word = first / kBits; word <= last / kBits; ++word) {
    const std::uint64_t mask = bits_between(word == first / kBits ? first % kBits : 0,
                                            word == last / kBits ? last % kBits : kBits - 1);
    std::uint64_t& bits = words_[static_cast<std::size_t>(word)];
    fresh += static_cast<std::uint64_t>(std::popcount(mask & ~bits));
    bits |= mask;
  }
  dirty_.store(dirty_.load(std::memory_order_relaxed) + fresh, std::memory_order_relaxed);
}

void DirtyBitmap::clear() {
  std::fill(words_.begin(), words_.end(), 0);
  dirty_.store(0, std::memory_order_relaxed);
}

void DirtyBitmap::resize(std::int64_t length) {
  if (length == length_) {
    return;
  }
  if (!allocate(length)) {
    inconsistent_.store(true, std::memory_order_relaxed);
    return;
  }
  // The last word may have bits of chunks that are gone.
  if (const std::uint64_t left = chunks(length) % kBits; left != 0) {
    words_.back() &= bits_between(0, left - 1);
  }
  std::uint64_t dirty = 0;
  for (const std::uint64_t word : words_) {
    dirty += static_cast<std::uint64_t>(std::popcount(word));
  }
  dirty_.store(dirty, std::memory_order_relaxed);
}

void DirtyBitmap::merge(const DirtyBitmap& other) {
  for (std::size_t word = 0; word < other.words_.size(); ++word) {
    for (std::uint64_t bits = other.words_[word]; bits != 0; bits &= bits - 1) {
      const std::uint64_t chunk = word * kBits + static_cast<std::uint64_t>(std::countr_zero(bits));
      mark(static_cast<std::int64_t>(chunk * other.granularity_), other.granularity_);
    }
  }
}

bool DirtyBitmap::is_dirty(std::int64_t offset) const {
  if (offset < 0 || offset >= length_) {
    return false;
  }
  const std::uint64_t chunk = static_cast<std::uint64_t>(offset) / granularity_;
  return (words_[static_cast<std::size_t>(chunk / kBits)] >> chunk % kBits & 1) != 0;
}

// A word at a time: a bitmap may have billions of chunks that are alike.
std::int64_t DirtyBitmap::next_change(std::int64_t offset, std::int64_t end) const {
  const std::uint64_t as_they_are = is_dirty(offset) ? ~std::uint64_t{0} : 0;
  const auto limit = static_cast<std::uint64_t>(end);
  std::uint64_t chunk = static_cast<std::uint64_t>(offset) / granularity_;
  while (chunk < limit / granularity_ + 1) {
    const std::uint64_t word = chunk / kBits;
    // What is outside of the node is clean.
    const std::uint64_t bits = word < words_.size() ? words_[static_cast<std::size_t>(word)] : 0;
    const std::uint64_t others = (bits ^ as_they_are) >> chunk % kBits;
    if (others != 0) {
      chunk += static_cast<std::uint64_t>(std::countr_zero(others));
      break;
    }
    chunk = (word + 1) * kBits;
  }
  return static_cast<std::int64_t>(std::min(limit, chunk * granularity_));
}

bool DirtyBitmaps::is_read_only() const {
  return std::any_of(bitmaps_.begin(), bitmaps_.end(),
                     [](const auto& bitmap) { return bitmap->is_read_only(); });
}

DirtyBitmap* DirtyBitmaps::find(std::string_view name) const {
  const auto found = std::find_if(bitmaps_.begin(), bitmaps_.end(),
                                  [name](const auto& bitmap) { return bitmap->name() == name; });
  return found != bitmaps_.end() ? found->get() : nullptr;
}

bool DirtyBitmaps::remove(std::string_view name) {
  return std::erase_if(bitmaps_, [name](const auto& bitmap) { return bitmap->name() == name; }) !=
         0;
}

void DirtyBitmaps::mark(std::int64_t offset, std::int64_t bytes) {
  for (const auto& bitmap : bitmaps_) {
    if (bitmap->is_recording()) {
      bitmap->mark(offset, bytes);
    }
  }
}

void DirtyBitmaps::resize(std::int64_t length) {
  for (const auto& bitmap : bitmaps_) {
    bitmap->resize(length);
  }
}

}  // namespace blk::block
