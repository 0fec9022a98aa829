#include "fuzz/nbd-mutate.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace blk::fuzz {

namespace {

constexpr std::array<std::uint64_t, 16> kInteresting = {0,
                                                        1,
                                                        2,
                                                        511,
                                                        512,
                                                        65535,
                                                        65536,
                                                        65537,
                                                        0x7fffffff,
                                                        0x80000000,
                                                        0xffffffff,
                                                        wire::kMostData,
                                                        wire::kMostData + 1,
                                                        0x7fffffffffffffff,
                                                        0x8000000000000000,
                                                        0xffffffffffffffff};

std::ptrdiff_t at(std::uint64_t index) { return static_cast<std::ptrdiff_t>(index); }

// With a cookie of its own, or nobody could tell which of the two an answer is for.
void repeat(std::vector<Message>& messages, std::uint64_t index, Random& random) {
  Message copy = messages[index];
  if (copy.is_request && copy.bytes.size() >= kCookieAt + sizeof(std::uint64_t)) {
    const Bytes cookie = Writer().number(random.next()).take();
    std::copy(cookie.begin(), cookie.end(), copy.bytes.begin() + kCookieAt);
  }
  messages.insert(messages.begin() + at(index), std::move(copy));
}

/// A number of 16, 32 or 64 bits, where such numbers are in headers.
void overwrite(Bytes& bytes, Random& random) {
  const std::size_t width = std::size_t{2} << random.below(3);
  if (bytes.size() < width) {
    return;
  }
  // Nearly always in the header: payloads are long, and mean nothing.
  const std::uint64_t span = std::min<std::uint64_t>(bytes.size() - width + 1, 40);
  const std::uint64_t start = random.below(span) / 2 * 2;
  const std::uint64_t value = random.one_in(3) ? random.next() : random.pick(kInteresting);
  for (std::size_t i = 0; i < width; ++i) {
    bytes[start + i] = static_cast<std::uint8_t>(value >> (8 * (width - 1 - i)));
  }
}

void flip(Bytes& bytes, Random& random) {
  if (!bytes.empty()) {
    const std::uint64_t span =
        random.one_in(8) ? bytes.size() : std::min<std::size_t>(bytes.size(), 48);
    bytes[random.below(span)] ^= static_cast<std::uint8_t>(1U << random.below(8));
  }
}

Bytes garbage(Random& random) {
  Bytes bytes(1 + random.below(random.one_in(20) ? 5000 : 60));
  std::generate(bytes.begin(), bytes.end(),
                [&random] { return static_cast<std::uint8_t>(random.next()); });
  return bytes;
}

void mutate_one(std::vector<Message>& messages, Random& random) {
  const std::uint64_t index = random.below(messages.size());
  Message& message = messages[index];
  switch (random.below(9)) {
    case 0:
      messages.erase(messages.begin() + at(index));
      break;
    case 1:
      repeat(messages, index, random);
      break;
    case 2:
      std::swap(message, messages[random.below(messages.size())]);
      break;
    case 3:
      message.bytes.resize(random.below(message.bytes.size() + 1));
      break;
    case 4:
      messages.insert(messages.begin() + at(index), Message{garbage(random), false});
      break;
    case 5:
      message.bytes.resize(message.bytes.size() + random.below(40));
      break;
    case 6:
    case 7:
      overwrite(message.bytes, random);
      break;
    default:
      flip(message.bytes, random);
  }
}

}  // namespace

void mutate_messages(std::vector<Message>& messages, Random& random) {
  for (std::uint64_t left = 1 + random.below(3); left > 0 && !messages.empty(); --left) {
    mutate_one(messages, random);
  }
}

void mutate_bytes(Bytes& stream, Random& random) {
  const std::uint64_t where = random.below(stream.size() + 1);
  switch (random.below(3)) {
    case 0:
      stream.resize(where);
      break;
    case 1: {
      const std::uint64_t count = random.below(stream.size() - where + 1);
      stream.erase(stream.begin() + at(where),
                   stream.begin() + at(where + std::min<std::uint64_t>(count, 64)));
      break;
    }
    default: {
      const Bytes added = garbage(random);
      stream.insert(stream.begin() + at(where), added.begin(), added.end());
    }
  }
}

}  // namespace blk::fuzz
