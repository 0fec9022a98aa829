#include "binding/bound-group.hpp"

#include <cerrno>

namespace blk::binding {

template <typename Function>
void BoundGroup::run_inside(Function function) const {
  if (home_ == nullptr || shared_) {
    function(nullptr);
  } else {
    home_->run_and_wait([&] { function(&home_->aio()); });
  }
}

const aio::Clock& BoundGroup::clock() const {
  return home_ != nullptr ? home_->aio().clock() : monotonic_;
}

/// A virtual home has a clock of its own; all others have the same.
bool BoundGroup::shares_clock_with(const HomedContext& home) const {
  if (home_ == nullptr || home_.get() == &home) {
    return true;
  }
  return home_->kind() != HomeKind::kVirtual && home.kind() != HomeKind::kVirtual;
}

// The home of the members so far may be inside without a lock; after the message it is not, and
// takes the lock from then on.
void BoundGroup::make_shared_unless_home_is(const std::shared_ptr<HomedContext>& home) {
  if (home_ == nullptr) {
    home_ = home;
  } else if (home_ != home && !shared_) {
    shared_ = true;
    group_.set_shared();
    home_->run_and_wait([] {});
  }
}

int BoundGroup::join(throttle::Member& member, const std::shared_ptr<HomedContext>& home) {
  if (!shares_clock_with(*home)) {
    return -EXDEV;
  }
  make_shared_unless_home_is(home);
  home->run_and_wait([&] { group_.join(member); });
  ++members_;
  return 0;
}

// Twice: another home may have sent the member a message just before it left.
void BoundGroup::leave(throttle::Member& member, HomedContext& home) {
  home.run_and_wait([&] { group_.leave(member); });
  home.run_and_wait([] {});
  if (--members_ == 0) {
    home_ = nullptr;
    shared_ = false;
    group_.set_shared(false);
  }
}

int BoundGroup::prepare_move(const std::shared_ptr<HomedContext>& to) {
  if (members_ == 1) {
    home_ = to;  // it is the one that moves
    return 0;
  }
  if (!shares_clock_with(*to)) {
    return -EXDEV;
  }
  make_shared_unless_home_is(to);
  return 0;
}

void BoundGroup::configure(const throttle::Limits& limits) {
  run_inside([&](const aio::AioContext* here) { group_.configure(limits, clock().now(), here); });
}

BoundGroup::State BoundGroup::state() const {
  State state;
  run_inside([&](const aio::AioContext*) {
    state.now = clock().now();
    state.meter = group_.snapshot(state.now);
    for (const throttle::Direction direction : throttle::kDirections) {
      state.throttled_until[static_cast<std::size_t>(direction)] =
          group_.throttled_until(direction);
    }
  });
  return state;
}

}  // namespace blk::binding
