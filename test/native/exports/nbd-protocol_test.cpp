#include "exports/nbd-protocol.hpp"

#include <doctest/doctest.h>

#include <array>

#include "exports/nbd-buffers.hpp"
#include "exports/nbd-request.hpp"

namespace {

using namespace blk::exports;

}  // namespace

TEST_CASE("exports/nbd-protocol: numbers are big endian, and errors those that the wire has") {
  std::array<std::byte, 14> bytes{};
  std::byte* at = bytes.data();
  nbd::store(at, std::uint16_t{0x0102});
  nbd::store(at, std::uint32_t{0x03040506});
  nbd::store(at, std::uint64_t{0x0708090a0b0c0d0e});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK(std::to_integer<std::size_t>(bytes[i]) == i + 1);
  }
  CHECK(nbd::load<std::uint64_t>(bytes.data() + 6) == 0x0708090a0b0c0d0e);
  CHECK(nbd::wire_error(-EROFS) == 1);
  CHECK(nbd::wire_error(-EDQUOT) == 28);
  CHECK(nbd::wire_error(-ENOMEDIUM) == 5);
}

TEST_CASE("exports/nbd-request: a header has one magic, short or extended") {
  std::array<std::byte, nbd::kExtendedRequestBytes> bytes{};
  std::byte* at = bytes.data();
  nbd::store(at, nbd::kRequestMagic);
  nbd::store(at, std::uint16_t{1});
  nbd::store(at, std::uint16_t{6});
  nbd::store(at, std::uint64_t{77});
  nbd::store(at, std::uint64_t{4096});
  nbd::store(at, std::uint32_t{512});
  NbdHeader header;
  REQUIRE(parse_header(bytes.data(), false, header));
  CHECK(header.command == nbd::Command::kWriteZeroes);
  CHECK(header.flags == 1);
  CHECK(header.cookie == 77);
  CHECK(header.offset == 4096);
  CHECK(header.length == 512);
  CHECK(header.payload(false) == 0);
  CHECK_FALSE(parse_header(bytes.data(), true, header));
}

TEST_CASE("exports/nbd-buffers: buffers are used again, and not more of them kept than 8 MiB") {
  NbdBuffers buffers;
  auto first = buffers.take(5000);
  REQUIRE(first);
  CHECK(first.size() == 8192);
  const std::byte* place = first.data();
  buffers.give_back(std::move(first));
  CHECK(buffers.take(8192).data() == place);
  auto large = buffers.take(16 << 20);
  REQUIRE(large);
  buffers.give_back(std::move(large));
  CHECK(buffers.take(1).size() == 4096);
}
