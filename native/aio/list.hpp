// Intrusive singly linked FIFO. The elements carry their own `next`, so queueing never allocates.
#pragma once

#include <cstddef>

namespace blk::aio {

/// First-in first-out list of elements that have a `T* next` member. An element is in at most one
/// list. The list does not own its elements. Not thread-safe.
template <typename T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  IntrusiveList(IntrusiveList&& other) noexcept { other.splice_to(*this); }
  IntrusiveList& operator=(IntrusiveList&& other) noexcept {
    head_ = tail_ = nullptr;
    size_ = 0;
    other.splice_to(*this);
    return *this;
  }

  bool empty() const { return head_ == nullptr; }
  std::size_t size() const { return size_; }
  T* front() const { return head_; }

  void push_back(T* item) {
    item->next = nullptr;
    (tail_ != nullptr ? tail_->next : head_) = item;
    tail_ = item;
    ++size_;
  }

  void push_front(T* item) {
    item->next = head_;
    head_ = item;
    if (tail_ == nullptr) {
      tail_ = item;
    }
    ++size_;
  }

  T* pop_front() {
    T* item = head_;
    if (item != nullptr) {
      head_ = item->next;
      if (head_ == nullptr) {
        tail_ = nullptr;
      }
      item->next = nullptr;
      --size_;
    }
    return item;
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (T* item = head_; item != nullptr; item = item->next) {
      visit(*item);
    }
  }

  /// Removes the first element for which `match` holds; linear. Null when none does.
  template <typename Predicate>
  T* remove_if(Predicate match) {
    T* previous = nullptr;
    for (T* item = head_; item != nullptr; previous = item, item = item->next) {
      if (!match(*item)) {
        continue;
      }
      (previous != nullptr ? previous->next : head_) = item->next;
      if (tail_ == item) {
        tail_ = previous;
      }
      item->next = nullptr;
      --size_;
      return item;
    }
    return nullptr;
  }

  /// Moves everything to the back of `other`, in constant time.
  void splice_to(IntrusiveList& other) {
    if (head_ == nullptr) {
      return;
    }
    (other.tail_ != nullptr ? other.tail_->next : other.head_) = head_;
    other.tail_ = tail_;
    other.size_ += size_;
    head_ = tail_ = nullptr;
    size_ = 0;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace blk::aio
