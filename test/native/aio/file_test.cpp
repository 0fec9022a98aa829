#include "aio/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "support.hpp"

using blk::aio::UniqueFd;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("aio/file: a descriptor is closed once, by its last owner") {
  int number = -1;
  {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = first.get();
    REQUIRE(is_open(number));
    UniqueFd second = std::move(first);
    CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move): what moving leaves is the point
    CHECK(is_open(number));
    first = std::move(second);
    CHECK(first.get() == number);
  }
  CHECK_FALSE(is_open(number));
}

TEST_CASE("aio/file: reset closes what was there and takes what is given") {
  UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int old = fd.get();
  const int next = ::fcntl(old, F_DUPFD_CLOEXEC, old + 1);
  fd.reset(next);
  CHECK_FALSE(is_open(old));
  CHECK(is_open(next));
  fd.reset();
  CHECK_FALSE(is_open(next));
  CHECK_FALSE(fd);
}
