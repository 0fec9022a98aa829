#include "aio/timer.hpp"

namespace blk::aio {

void TimerQueue::arm(Timer& timer, Nanoseconds deadline) {
  timer.deadline_ = deadline;
  timer.sequence_ = next_sequence_++;
  if (!timer.armed()) {
    heap_.push_back(&timer);
    timer.position_ = heap_.size() - 1;
  }
  sift_up(timer.position_);
  sift_down(timer.position_);
}

void TimerQueue::disarm(Timer& timer) {
  if (!timer.armed()) {
    return;
  }
  const std::size_t hole = timer.position_;
  timer.position_ = Timer::kUnarmed;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) {
    return;
  }
  place(last, hole);
  sift_up(hole);
  sift_down(last->position_);
}

std::size_t TimerQueue::fire(Nanoseconds now) {
  std::size_t fired = 0;
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    Timer* timer = heap_.front();
    // Disarmed first: its function may arm it again or destroy it.
    disarm(*timer);
    ++fired;
    timer->run(timer);
  }
  return fired;
}

bool TimerQueue::before(const Timer* a, const Timer* b) const {
  return a->deadline_ != b->deadline_ ? a->deadline_ < b->deadline_ : a->sequence_ < b->sequence_;
}

void TimerQueue::place(Timer* timer, std::size_t position) {
  heap_[position] = timer;
  timer->position_ = position;
}

void TimerQueue::sift_up(std::size_t position) {
  Timer* timer = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!before(timer, heap_[parent])) {
      break;
    }
    place(heap_[parent], position);
    position = parent;
  }
  place(timer, position);
}

void TimerQueue::sift_down(std::size_t position) {
  Timer* timer = heap_[position];
  for (std::size_t child = 2 * position + 1; child < heap_.size(); child = 2 * position + 1) {
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) {
      ++child;
    }
    if (!before(heap_[child], timer)) {
      break;
    }
    place(heap_[child], position);
    position = child;
  }
  place(timer, position);
}

}  // namespace blk::aio
