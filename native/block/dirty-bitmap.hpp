// Which parts of a node were changed since somebody began to watch (BdrvDirtyBitmap).
//
// Threads: everything on the node's home, but for the numbers, which any thread may read.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace blk::block {

/// One bit stands for `granularity` bytes.
class DirtyBitmap {
 public:
  /// `granularity`: a power of two. Null when there is no memory for it.
  static std::unique_ptr<DirtyBitmap> create(std::string name, std::uint32_t granularity,
                                             std::int64_t length, bool recording);
  DirtyBitmap(const DirtyBitmap&) = delete;
  DirtyBitmap& operator=(const DirtyBitmap&) = delete;

  const std::string& name() const { return name_; }
  std::uint32_t granularity() const { return granularity_; }
  /// In bytes: the chunks that are dirty, each whole.
  std::uint64_t count() const { return dirty_.load(std::memory_order_relaxed) * granularity_; }

  /// Changes are noted. Off, it keeps what it has.
  bool is_recording() const { return recording_.load(std::memory_order_relaxed); }
  void set_recording(bool on) { recording_.store(on, std::memory_order_relaxed); }
  /// It lies in an image that must not be written: neither must the node (DISC-9).
  bool is_read_only() const { return read_only_; }
  void set_read_only(bool on) { read_only_ = on; }
  /// It could not follow its node's length for want of memory, so it says nothing any more.
  bool is_inconsistent() const { return inconsistent_.load(std::memory_order_relaxed); }

  /// What is outside of the node is left out.
  void mark(std::int64_t offset, std::int64_t bytes);
  void clear();
  /// What is new is clean; what is gone counts no more.
  void resize(std::int64_t length);
  /// What is dirty in `other`, of whatever granularity, is dirty here as well.
  void merge(const DirtyBitmap& other);
  bool is_dirty(std::int64_t offset) const;
  /// Where the first chunk begins that is not as that of `offset`, or `end`, whichever comes first.
  std::int64_t next_change(std::int64_t offset, std::int64_t end) const;

 private:
  DirtyBitmap(std::string name, std::uint32_t granularity, bool recording);
  std::uint64_t chunks(std::int64_t length) const;
  bool allocate(std::int64_t length);
  void mark_chunks(std::uint64_t first, std::uint64_t last);

  const std::string name_;
  const std::uint32_t granularity_;
  std::int64_t length_ = 0;
  std::vector<std::uint64_t> words_;
  std::atomic<std::uint64_t> dirty_{0};  // chunks
  std::atomic<bool> recording_;
  std::atomic<bool> inconsistent_{false};
  bool read_only_ = false;
};

/// Those of a node, by name. The list changes on the home while the thread of lib/, which asks for
/// the change, waits: that thread may read it at any other time.
class DirtyBitmaps {
 public:
  static constexpr std::uint32_t kMostDefault = 64 * 1024;

  bool empty() const { return bitmaps_.empty(); }
  bool is_read_only() const;
  const std::vector<std::unique_ptr<DirtyBitmap>>& all() const { return bitmaps_; }
  /// Null: there is none of that name.
  DirtyBitmap* find(std::string_view name) const;
  void add(std::unique_ptr<DirtyBitmap> bitmap) { bitmaps_.push_back(std::move(bitmap)); }
  bool remove(std::string_view name);

  /// In those that record.
  void mark(std::int64_t offset, std::int64_t bytes);
  void resize(std::int64_t length);

 private:
  std::vector<std::unique_ptr<DirtyBitmap>> bitmaps_;
};

}  // namespace blk::block
