// The drivers that this build knows, by QAPI name.
#pragma once

#include <map>
#include <string>

#include "block/driver.hpp"

namespace blk::block {

class DriverRegistry {
 public:
  void add(std::string name, DriverFactory factory) { factories_[std::move(name)] = factory; }
  /// Null for an unknown name.
  std::unique_ptr<Driver> create(const std::string& name) const {
    auto found = factories_.find(name);
    return found == factories_.end() ? nullptr : found->second();
  }

 private:
  std::map<std::string, DriverFactory> factories_;
};

}  // namespace blk::block
