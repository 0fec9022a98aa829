#include "drivers/signatures.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

namespace {

using blk::drivers::Signatures;

bool matches(const char* list, const std::string& header) {
  return Signatures::parse(list).match(std::as_bytes(std::span(header)));
}

}  // namespace

TEST_CASE("RAW-7: formats are told by bytes at offsets") {
  CHECK(matches("0:514649fb", "QFI\xfb and more"));
  CHECK_FALSE(matches("0:514649fb", "QFI"));
  CHECK_FALSE(matches("0:514649fb", " QFI\xfb"));
  CHECK(matches("0:514649fb,4:7f10", std::string("abcd\x7f\x10", 6)));
  CHECK_FALSE(matches("4:7f10", "abcd\x7f"));
}

TEST_CASE("RAW-7: what is no signature is left out") {
  CHECK(Signatures::parse("").empty());
  CHECK(Signatures::parse(",,:,x:00,1:,1:zz,99999999999999999999:00").empty());
  CHECK_FALSE(Signatures::parse("nothing,3:61").empty());
}
