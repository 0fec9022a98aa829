// A kernel that knows nothing but read locks of open file descriptions.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "drivers/file-locks.hpp"

namespace blk::test {

/// Every descriptor is a file description of its own, all of one file.
class FakeLocks final : public drivers::LockCalls {
 public:
  bool has_open_file_locks = true;
  /// Calls with that name fail.
  mutable std::map<std::string, int> failures;
  /// "lock 3 100", "unlock 3 100", "ask 3 200"
  mutable std::vector<std::string> calls;

  int control(int fd, int command, struct flock& lock) const override {
    const bool is_open_file = command == F_OFD_GETLK || command == F_OFD_SETLK;
    if (is_open_file && !has_open_file_locks) {
      return -EINVAL;
    }
    const bool is_question = command == F_OFD_GETLK || command == F_GETLK;
    const char* verb = is_question ? "ask" : lock.l_type == F_UNLCK ? "unlock" : "lock";
    const int byte = static_cast<int>(lock.l_start);
    const std::string call =
        std::string(verb) + ' ' + std::to_string(fd) + ' ' + std::to_string(byte);
    calls.push_back(call);
    if (auto failure = failures.find(call); failure != failures.end()) {
      return failure->second;
    }
    std::set<int>& holders = holders_[byte];
    if (is_question) {
      const bool is_free = holders.empty() || (holders.size() == 1 && holders.contains(fd));
      lock.l_type = is_free ? F_UNLCK : F_RDLCK;
    } else if (lock.l_type == F_UNLCK) {
      holders.erase(fd);
    } else {
      holders.insert(fd);
    }
    return 0;
  }

  std::vector<int> held_by(int fd) const {
    std::vector<int> bytes;
    for (const auto& [byte, holders] : holders_) {
      if (holders.contains(fd)) {
        bytes.push_back(byte);
      }
    }
    return bytes;
  }
  std::vector<std::string> take_calls() { return std::exchange(calls, {}); }

 private:
  mutable std::map<int, std::set<int>> holders_;
};

}  // namespace blk::test
