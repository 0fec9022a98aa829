#include "fuzz/nbd-session.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz/nbd-exports.hpp"

namespace blk::fuzz {

namespace {

constexpr std::array<std::string_view, 8> kQueries = {
    "base:allocation",      "base:", "qemu:allocation-depth",  "qemu:",
    "qemu:dirty-bitmap:b0", "x",     "qemu:dirty-bitmap:none", "qemu:dirty-bitmap:"};

class Session {
 public:
  explicit Session(Random& random) : random_(random) {}

  std::vector<Message> make() {
    const std::uint32_t flags = random_.one_in(8) ? random_.one_in(2) ? 1 : 0 : 3;
    add(Writer().number(flags).take());
    export_ = &random_.pick(all_exports());
    for (std::uint64_t left = random_.below(5); left > 0; --left) {
      option(random_.below(12));
    }
    choose();
    for (std::uint64_t left = random_.below(16); left > 0; --left) {
      request();
    }
    if (random_.one_in(2)) {
      request(wire::kDisconnect, 0, 0, 0, {});
    }
    return std::move(messages_);
  }

 private:
  void add(Bytes bytes, bool is_request = false) {
    messages_.push_back({std::move(bytes), is_request});
  }
  void add_option(std::uint32_t id, const Bytes& data) {
    add(Writer()
            .number(wire::kOption)
            .number(id)
            .number(static_cast<std::uint32_t>(data.size()))
            .raw(data)
            .take());
  }

  /// Of the export, or another that is there or not.
  std::string name() {
    if (!random_.one_in(6)) {
      return export_->name;
    }
    return random_.one_in(2) ? random_.pick(all_exports()).name
                             : std::string(random_.below(5000), 'x');
  }

  void option(std::uint64_t kind) {
    switch (kind) {
      case 0:
      case 1:
      case 2:
        structured_ = true;
        return add_option(wire::kStructured, {});
      case 3:
      case 4:
        structured_ = extended_ = true;
        return add_option(wire::kExtended, {});
      case 5:
      case 6:
        return add_option(wire::kSetMeta, meta_data());
      case 7:
        return add_option(wire::kListMeta, meta_data());
      case 8:
        return add_option(wire::kList, random_.one_in(4) ? Bytes(random_.below(9)) : Bytes());
      case 9:
        return add_option(wire::kInfo, info_data());
      case 10:
        return add_option(wire::kStartTls, {});
      default:
        rare_option();
    }
  }

  void rare_option() {
    const std::uint64_t kind = random_.below(12);
    if (kind == 0) {
      add_option(wire::kAbort, {});
    } else if (kind == 1) {
      add_option(static_cast<std::uint32_t>(random_.below(12)), Bytes(wire::kMostOption + 1, 7));
    } else {
      add_option(static_cast<std::uint32_t>(12 + random_.below(200)), Bytes(random_.below(40)));
    }
  }

  Bytes info_data() {
    Writer data;
    data.text(name());
    const std::uint64_t count = random_.below(5);
    data.number(static_cast<std::uint16_t>(count));
    for (std::uint64_t left = count; left > 0; --left) {
      data.number(static_cast<std::uint16_t>(random_.below(5)));
    }
    return data.take();
  }

  Bytes meta_data() {
    Writer data;
    data.text(name());
    const std::uint64_t count = random_.below(6);
    data.number(static_cast<std::uint32_t>(count));
    for (std::uint64_t left = count; left > 0; --left) {
      data.text(random_.pick(kQueries));
    }
    return data.take();
  }

  void choose() {
    if (random_.one_in(3)) {
      const std::string chosen = name();
      add_option(wire::kExportName, Bytes(chosen.begin(), chosen.end()));
    } else {
      add_option(wire::kGo, info_data());
    }
  }

  /// Somewhere on the disk, or near or behind its end.
  std::uint64_t offset() {
    const auto size = static_cast<std::uint64_t>(export_->size());
    switch (random_.below(8)) {
      case 0:
        return size - random_.below(2000);
      case 1:
        return size + random_.below(2000);
      case 2:
        return random_.below(size);
      case 3:
        return static_cast<std::uint64_t>(kBadStart) + random_.below(3 * 4096) - 4096;
      default:
        return random_.below(size / 512) * 512;
    }
  }

  std::uint64_t length() {
    switch (random_.below(40)) {
      case 0:
        return random_.below(300'000);
      case 1:
        return 0;
      case 2:
        return wire::kMostData + random_.below(3) - 1;
      case 3:
        return random_.next() >> random_.below(64);
      default:
        return random_.one_in(2) ? 1 + random_.below(2000) : 512 * (1 + random_.below(16));
    }
  }

  void request() {
    const auto command = static_cast<std::uint16_t>(
        random_.one_in(3) ? random_.below(9) : random_.below(2));  // reads and writes, mostly
    if (command == wire::kDisconnect) {
      return;
    }
    std::uint16_t flags = flags_of(command);
    std::uint64_t bytes = length();
    Bytes data;
    if (command == wire::kWrite) {
      flags = extended_ ? static_cast<std::uint16_t>(flags | wire::kPayload) : flags;
      bytes = std::min<std::uint64_t>(bytes, random_.one_in(2000) ? 1 << 20 : 100'000);
      data.resize(bytes, static_cast<std::uint8_t>(random_.next()));
      for (std::size_t at = 0; at < data.size(); at += 97) {
        data[at] = static_cast<std::uint8_t>(random_.next());
      }
    }
    if (!extended_) {
      bytes &= 0xffffffff;
    }
    request(command, flags, offset(), bytes, data);
  }

  std::uint16_t flags_of(std::uint16_t command) {
    if (random_.one_in(20)) {
      return static_cast<std::uint16_t>(1U << random_.below(16));
    }
    const std::uint16_t fua = random_.one_in(4) ? wire::kFua : 0;
    switch (command) {
      case wire::kRead:
        return structured_ && random_.one_in(4) ? wire::kDf : 0;
      case wire::kWriteZeroes:
        return fua | (random_.one_in(3) ? wire::kNoHole : 0) |
               (random_.one_in(3) ? wire::kFastZero : 0);
      case wire::kBlockStatus:
        return random_.one_in(3) ? wire::kReqOne : 0;
      default:
        return fua;
    }
  }

  void request(std::uint16_t command, std::uint16_t flags, std::uint64_t offset,
               std::uint64_t bytes, const Bytes& data) {
    Writer message;
    message.number(extended_ ? wire::kExtendedRequest : wire::kRequest)
        .number(flags)
        .number(command)
        .number(random_.next())
        .number(offset);
    if (extended_) {
      message.number(bytes);
    } else {
      message.number(static_cast<std::uint32_t>(bytes));
    }
    add(message.raw(data).take(), true);
  }

  Random& random_;
  std::vector<Message> messages_;
  const ExportFacts* export_ = nullptr;
  bool structured_ = false;
  bool extended_ = false;
};

}  // namespace

std::vector<Message> random_session(Random& random) { return Session(random).make(); }

}  // namespace blk::fuzz
