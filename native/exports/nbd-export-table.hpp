// The exports of one server, in the order in which they were added. JavaScript thread only.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "exports/nbd-export.hpp"

namespace blk::exports {

class NbdExportTable {
 public:
  /// Null: there is none of that name.
  std::shared_ptr<NbdExport> find(std::string_view name) const {
    const auto found = std::find_if(exports_.begin(), exports_.end(), [name](const auto& item) {
      return item->options().name == name;
    });
    return found != exports_.end() ? *found : nullptr;
  }
  const std::vector<std::shared_ptr<NbdExport>>& all() const { return exports_; }
  void add(std::shared_ptr<NbdExport> item) { exports_.push_back(std::move(item)); }
  void remove(const NbdExport& item) {
    std::erase_if(exports_, [&item](const auto& other) { return other.get() == &item; });
  }

 private:
  std::vector<std::shared_ptr<NbdExport>> exports_;
};

}  // namespace blk::exports
