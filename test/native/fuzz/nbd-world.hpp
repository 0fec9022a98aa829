// A server with its exports and its context, and how clients reach it: all on one thread, so that a
// run can be repeated.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "aio/clock.hpp"
#include "aio/file.hpp"
#include "aio/probe.hpp"
#include "block/backend.hpp"
#include "exports/nbd-server.hpp"
#include "fuzz/nbd-disk.hpp"

namespace blk::fuzz {

class World : public block::GraphListener {
 public:
  /// Null where there is no such engine.
  static std::unique_ptr<World> make(aio::EngineChoice choice);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() override;

  /// A connection of its own, which never blocks.
  aio::UniqueFd connect() const;
  void turn() const;
  /// The loop turns until `holds()`; false when that takes ten seconds.
  bool run_until(const std::function<bool()>& holds) const;

  void set_manner(Manner manner);
  void release();
  /// False: it never becomes quiet.
  bool begin_section();
  void end_section();
  /// Begins one, and ends it before anything else happens.
  void section_in_passing();

  /// Removes the exports, which hangs up their clients, and makes others like them.
  void replace_exports();
  /// Nobody uses those that were removed: they go.
  void forget_removed();

  std::uint32_t connections() const { return server_->connections(); }
  /// What a section waits for, and what waits for its end, in all backends.
  std::uint32_t busy() const;
  std::uint32_t parked() const;
  /// What was written since the last time.
  std::vector<WriteNote> take_writes();

  void on_idle() override {}
  void on_resized(std::uint32_t /*node_id*/) override {}
  void on_parked(int /*change*/) override {}

 private:
  explicit World(std::unique_ptr<aio::Engine> engine);
  PatternDisk* add_disk(std::int64_t bytes, std::uint32_t id, std::shared_ptr<block::Node>& node);
  void add_export(const ExportFacts& facts, const std::shared_ptr<block::Node>& node);
  void add_exports();
  void begin_sections();
  void listen();

  aio::MonotonicClock clock_;
  std::unique_ptr<aio::AioContext> context_;
  std::shared_ptr<block::Node> large_;
  std::shared_ptr<block::Node> small_;
  std::vector<PatternDisk*> disks_;
  std::vector<std::shared_ptr<exports::NbdExport>> exports_;
  std::vector<std::shared_ptr<exports::NbdExport>> removed_;
  std::shared_ptr<exports::NbdServer> server_;
  std::vector<char> address_;
  bool in_section_ = false;
};

}  // namespace blk::fuzz
