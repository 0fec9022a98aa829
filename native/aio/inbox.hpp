// The one door into a context from other threads: a lock-free multi-producer, single-consumer FIFO.
#pragma once

#include <atomic>

#include "aio/list.hpp"
#include "aio/runnable.hpp"

namespace blk::aio {

/// Producers push onto a stack with one compare-exchange; the consumer takes the whole stack with
/// one exchange and reverses it. Because the stack is always taken whole, what one producer pushed
/// first runs first, across takes as well: order of calls is order of effect.
class Inbox {
 public:
  /// Any thread. True when the inbox was empty, that is when the consumer may need a wake-up.
  bool push(Runnable* item) {
    Runnable* head = head_.load(std::memory_order_relaxed);
    do {
      item->next = head;
    } while (!head_.compare_exchange_weak(head, item, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  /// Sequentially consistent, like push(): a consumer that stops looking and then asks, and a
  /// producer that pushes and then asks whether it is looked for, do not miss each other.
  bool empty() const { return head_.load() == nullptr; }

  /// Consumer only. Appends everything pushed so far to `out`, oldest first.
  void take(IntrusiveList<Runnable>& out) {
    Runnable* newest = head_.exchange(nullptr, std::memory_order_acquire);
    IntrusiveList<Runnable> oldest_first;
    while (newest != nullptr) {
      Runnable* older = newest->next;
      oldest_first.push_front(newest);
      newest = older;
    }
    oldest_first.splice_to(out);
  }

 private:
  std::atomic<Runnable*> head_{nullptr};
};

}  // namespace blk::aio
