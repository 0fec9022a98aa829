// An NBD export together with its server and its backend.
#pragma once

#include <memory>
#include <utility>

#include "exports/nbd-export.hpp"
#include "exports/nbd-server.hpp"

namespace blk::binding {

struct BoundBackend;

struct BoundNbdExport {
  BoundNbdExport(std::shared_ptr<exports::NbdServer> where, std::shared_ptr<BoundBackend> what,
                 std::shared_ptr<exports::NbdExport> exported)
      : server(std::move(where)), bound(std::move(what)), item(std::move(exported)) {}

  const std::shared_ptr<exports::NbdServer> server;
  const std::shared_ptr<BoundBackend> bound;
  const std::shared_ptr<exports::NbdExport> item;
};

}  // namespace blk::binding
