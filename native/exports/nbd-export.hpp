// One disk that clients can choose by its name.
//
// Threads: what it is called and what it can never change. Users are counted on the JavaScript
// thread; the list of clients belongs to the home of its backend, which changes only with the whole
// graph.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "block/backend.hpp"

namespace blk::exports {

class NbdStream;

struct NbdExportOptions {
  std::string name;
  std::string description;
  std::int64_t size = 0;    // bytes
  std::uint16_t flags = 0;  // transmission flags
  std::uint32_t min_block = 1;
  std::uint32_t max_block = 0;
  bool allocation_depth = false;
  std::vector<std::string> bitmaps;
};

class NbdExport final : public block::BackendOwner {
 public:
  NbdExport(NbdExportOptions options, std::shared_ptr<block::Backend> backend)
      : options_(std::move(options)), backend_(std::move(backend)) {}
  NbdExport(const NbdExport&) = delete;
  NbdExport& operator=(const NbdExport&) = delete;

  const NbdExportOptions& options() const { return options_; }
  bool is_read_only() const;
  block::Backend& backend() const { return *backend_; }

  // --- JavaScript thread
  /// A client has chosen it, and has gone again.
  void add_user() { ++users_; }
  void remove_user();
  std::uint32_t users() const { return users_; }
  /// Calls `done` once nobody uses it, possibly at once.
  void when_unused(void (*done)(void*), void* owner);

  // --- home of the backend
  void add_client(NbdStream& client);
  void remove_client(NbdStream& client);
  /// Those that are there and those that come later are hung up.
  void hang_up();

  void drained_begin() override;
  void drained_end() override;
  void leave_context() override;
  void enter_context(aio::AioContext& context) override;

 private:
  const NbdExportOptions options_;
  const std::shared_ptr<block::Backend> backend_;
  std::uint32_t users_ = 0;
  void (*unused_)(void*) = nullptr;
  void* unused_owner_ = nullptr;
  std::vector<NbdStream*> clients_;
  bool drained_ = false;
  bool hung_up_ = false;
};

}  // namespace blk::exports
