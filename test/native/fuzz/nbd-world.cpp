#include "fuzz/nbd-world.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace blk::fuzz {

namespace {

constexpr aio::Nanoseconds kSecond = 1'000'000'000;
constexpr aio::Nanoseconds kPatience = 10 * kSecond;
constexpr int kBacklog = 64;

/// A fuzzer whose own parts do not work must not go on.
void must(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::exit(2);
  }
}

aio::Detached note_end(aio::Task<block::Status> task, bool* done) {
  const block::Status status = co_await task;
  must(status.ok(), "a disk does not open");
  *done = true;
}

// The transmission flags that an export of this kind has: all that the protocol knows, but for
// those that only writable ones have.
std::uint16_t flags_of(const ExportFacts& facts) { return facts.read_only ? 0x50f : 0xd6d; }

void end_section_of(block::Backend& backend) {
  backend.announce_end();
  backend.quiesce_end();
}

}  // namespace

std::unique_ptr<World> World::make(aio::EngineChoice choice) {
  aio::EngineReport report;
  int error = 0;
  auto engine = aio::make_engine(choice, aio::RingHome::kPolled, report, error);
  return engine == nullptr ? nullptr : std::unique_ptr<World>(new World(std::move(engine)));
}

World::World(std::unique_ptr<aio::Engine> engine)
    : context_(std::make_unique<aio::AioContext>(std::move(engine), clock_)) {
  disks_.push_back(add_disk(kDiskBytes, 1, large_));
  disks_.push_back(add_disk(kSmallBytes, 2, small_));
  // Nobody is asked: without a policy there are no questions.
  const auto told = [](void*) {};
  server_ =
      std::make_shared<exports::NbdServer>(*context_, exports::NbdServerOptions{}, told, nullptr);
  add_exports();
  listen();
}

World::~World() {
  bool gone = false;
  server_->close([](void* told) { *static_cast<bool*>(told) = true; }, &gone);
  must(run_until([&gone] { return gone; }), "the server does not close");
  for (const auto& item : exports_) {
    item->backend().set_owner(nullptr);
  }
  forget_removed();
  context_->close();
  must(run_until([this] { return context_->is_idle(); }), "the context does not become idle");
  must(context_->engine().stop(clock_.now() + kPatience), "the engine does not stop");
}

PatternDisk* World::add_disk(std::int64_t bytes, std::uint32_t id,
                             std::shared_ptr<block::Node>& node) {
  auto driver = std::make_unique<PatternDisk>(bytes);
  PatternDisk* disk = driver.get();
  block::NodeOptions options;
  options.id = id;
  options.state.discard_unmap = true;
  node = std::make_shared<block::Node>(*context_, options, std::move(driver), *this);
  block::ErrorReport report;
  bool done = false;
  note_end(node->open({}, report), &done);
  must(run_until([&done] { return done; }), "a disk does not open");
  for (const char* name : {"b0", "b1"}) {
    node->dirty_bitmaps().add(block::DirtyBitmap::create(name, 65536, bytes, true));
  }
  return disk;
}

void World::add_export(const ExportFacts& facts, const std::shared_ptr<block::Node>& node) {
  auto backend = std::make_shared<block::Backend>(*context_, *this);
  const block::ChildRole role = block::kChildData | block::kChildPrimary;
  const block::Permissions granted =
      facts.read_only ? block::kPermConsistentRead : block::kPermConsistentRead | block::kPermWrite;
  backend->set_root({0, node, role, granted, block::kPermAll});
  exports::NbdExportOptions options;
  options.name = facts.name;
  options.description = facts.description;
  options.size = facts.size();
  options.flags = flags_of(facts);
  options.min_block = facts.min_block;
  options.max_block = 32U << 20;
  options.allocation_depth = facts.contexts;
  if (facts.contexts) {
    options.bitmaps = {"b0", "b1"};
  }
  auto item = std::make_shared<exports::NbdExport>(std::move(options), backend);
  backend->set_owner(item.get());
  server_->table().add(item);
  exports_.push_back(std::move(item));
}

void World::add_exports() {
  for (const ExportFacts& facts : all_exports()) {
    add_export(facts, facts.small ? small_ : large_);
  }
}

// At any moment there is an export of each name.
void World::replace_exports() {
  const auto old = std::exchange(exports_, {});
  const bool was_in_section = std::exchange(in_section_, false);
  for (const auto& item : old) {
    server_->table().remove(*item);
  }
  add_exports();
  for (const auto& item : old) {
    item->hang_up();
  }
  turn();
  for (const auto& item : old) {
    if (was_in_section) {
      end_section_of(item->backend());
    }
  }
  removed_.insert(removed_.end(), old.begin(), old.end());
}

void World::forget_removed() {
  for (const auto& item : removed_) {
    item->backend().set_owner(nullptr);
  }
  removed_.clear();
}

// On an abstract socket, whose name the kernel makes up.
void World::listen() {
  aio::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  must(::bind(socket.get(), generic, sizeof(sa_family_t)) == 0, "a socket has no name");
  must(::listen(socket.get(), kBacklog) == 0, "a socket does not listen");
  socklen_t bytes = sizeof(address);
  must(::getsockname(socket.get(), generic, &bytes) == 0, "a socket does not know its name");
  const auto* first = reinterpret_cast<const char*>(&address);
  address_.assign(first, first + bytes);
  server_->listen(std::move(socket));
}

aio::UniqueFd World::connect() const {
  aio::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(address_.data());
  must(::connect(socket.get(), address, static_cast<socklen_t>(address_.size())) == 0,
       "nobody listens any more");
  return socket;
}

void World::turn() const {
  while (context_->turn()) {
  }
}

bool World::run_until(const std::function<bool()>& holds) const {
  aio::Nanoseconds deadline = 0;
  for (int turns = 0; !holds(); ++turns) {
    turn();
    if (turns < 20 || holds()) {
      continue;
    }
    const aio::Nanoseconds now = clock_.now();
    deadline = deadline == 0 ? now + kPatience : deadline;
    if (now > deadline) {
      return false;
    }
    pollfd source{context_->engine().poll_fd(), POLLIN, 0};
    ::poll(&source, 1, 1);
  }
  return true;
}

void World::set_manner(Manner manner) {
  for (PatternDisk* disk : disks_) {
    disk->set_manner(manner);
  }
}

void World::release() {
  for (PatternDisk* disk : disks_) {
    disk->release();
  }
}

bool World::begin_section() {
  if (in_section_) {
    return true;
  }
  in_section_ = true;
  release();  // or it would wait for what nobody lets go
  begin_sections();
  return run_until([this] { return busy() == 0; });
}

void World::begin_sections() {
  for (const auto& item : exports_) {
    item->backend().announce_begin();
    item->backend().quiesce_begin();
    item->backend().begin_arrived();
  }
}

void World::section_in_passing() {
  if (!in_section_) {
    in_section_ = true;
    begin_sections();
    end_section();
  }
}

void World::end_section() {
  if (!in_section_) {
    return;
  }
  in_section_ = false;
  for (const auto& item : exports_) {
    end_section_of(item->backend());
  }
}

std::uint32_t World::busy() const {
  std::uint32_t sum = 0;
  for (const auto* items : {&exports_, &removed_}) {
    for (const auto& item : *items) {
      sum += item->backend().busy();
    }
  }
  return sum;
}

std::uint32_t World::parked() const {
  std::uint32_t sum = 0;
  for (const auto& item : exports_) {
    sum += item->backend().parked();
  }
  return sum;
}

std::vector<WriteNote> World::take_writes() {
  std::vector<WriteNote> all;
  for (PatternDisk* disk : disks_) {
    const std::vector<WriteNote> some = std::exchange(disk->writes(), {});
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace blk::fuzz
