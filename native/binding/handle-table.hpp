// Native objects that JavaScript names by number.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace blk::binding {

/// A handle is generation * 2^20 + index, a safe integer for 2^32 generations of each of a million
/// places; 0 is none, as generations start at 1. A stale or invented handle finds nothing.
/// JavaScript thread only.
template <typename T>
class HandleTable {
 public:
  double insert(std::shared_ptr<T> object) {
    std::uint32_t index = 0;
    if (free_.empty()) {
      index = static_cast<std::uint32_t>(places_.size());
      places_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Place& place = places_[index];
    place.object = std::move(object);
    return static_cast<double>(place.generation) * kIndexes + index;
  }

  /// Null for anything that is not a live handle.
  T* find(double handle) const {
    const Place* place = locate(handle);
    return place != nullptr ? place->object.get() : nullptr;
  }

  std::shared_ptr<T> share(double handle) const {
    const Place* place = locate(handle);
    return place != nullptr ? place->object : nullptr;
  }

  /// The handle is stale from here on.
  std::shared_ptr<T> remove(double handle) {
    auto* place = const_cast<Place*>(locate(handle));
    if (place == nullptr) {
      return nullptr;
    }
    ++place->generation;
    free_.push_back(static_cast<std::uint32_t>(place - places_.data()));
    return std::move(place->object);
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Place& place : places_) {
      if (place.object != nullptr) {
        visit(*place.object);
      }
    }
  }

  void clear() {
    places_.clear();
    free_.clear();
  }

 private:
  static constexpr std::uint64_t kIndexes = 1 << 20;

  struct Place {
    std::shared_ptr<T> object;
    std::uint32_t generation = 1;
  };

  const Place* locate(double handle) const {
    if (!(handle >= 1 && handle < 9007199254740992.0)) {  // also refuses NaN
      return nullptr;
    }
    const auto number = static_cast<std::uint64_t>(handle);
    const std::uint64_t index = number % kIndexes;
    if (index >= places_.size()) {
      return nullptr;
    }
    const Place& place = places_[index];
    return place.generation == number / kIndexes && place.object != nullptr ? &place : nullptr;
  }

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
};

}  // namespace blk::binding
