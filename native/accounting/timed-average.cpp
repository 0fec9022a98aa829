#include "accounting/timed-average.hpp"

#include <algorithm>

namespace blk::accounting {

namespace {

// Not `requested * 4 / 3`, which overflows for the longest intervals.
aio::Nanoseconds four_thirds(aio::Nanoseconds requested) {
  return requested / 3 * 4 + requested % 3 * 4 / 3;
}

}  // namespace

TimedAverage::TimedAverage(aio::Nanoseconds requested, aio::Nanoseconds now)
    : period_(std::max<aio::Nanoseconds>(four_thirds(requested), 1)) {
  windows_[0].expires.set(now + period_ / 2);
  windows_[1].expires.set(now + period_);
}

void TimedAverage::account(std::int64_t value, aio::Nanoseconds now) {
  expire(now);
  for (Window& window : windows_) {
    const bool first = window.count.get() == 0;
    window.min.set(first ? value : std::min(window.min.get(), value));
    window.max.set(first ? value : std::max(window.max.get(), value));
    window.sum.add(value);
    window.count.add(1);
  }
}

TimedAverage::Result TimedAverage::result(aio::Nanoseconds now) {
  expire(now);
  const Window& older =
      windows_[0].expires.get() < windows_[1].expires.get() ? windows_[0] : windows_[1];
  Result result;
  const std::int64_t count = older.count.get();
  result.min = older.min.get();
  result.max = older.max.get();
  result.sum = older.sum.get();
  result.average = count == 0 ? 0 : result.sum / count;
  result.elapsed = period_ - (older.expires.get() - now);
  return result;
}

// Lazily: however long nobody asked, one step empties a window and moves its end past `now`.
void TimedAverage::expire(aio::Nanoseconds now) {
  for (Window& window : windows_) {
    const aio::Nanoseconds late = now - window.expires.get();
    if (late < 0) {
      continue;
    }
    window.min.set(0);
    window.max.set(0);
    window.sum.set(0);
    window.count.set(0);
    window.expires.add((late / period_ + 1) * period_);
  }
}

}  // namespace blk::accounting
