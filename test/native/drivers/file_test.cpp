// What the file driver makes of the results that an engine gives it.
#include "drivers/file.hpp"

#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "drivers/open-file.hpp"

namespace {

using namespace blk::test;

}  // namespace

TEST_CASE("PLUG-5: EINTR and EAGAIN are tried again") {
  OpenFile file("io_uring");
  file.engine->answers = {-EINTR, -EAGAIN, 4096};
  CHECK(file.read() == 0);
  CHECK(file.take_calls() == Calls(3, "read 0+4096"));
  file.engine->answers = {-EAGAIN, -EINTR, 4096};
  CHECK(file.write() == 0);
  CHECK(file.take_calls() == Calls(3, "write 0+4096"));
  file.engine->answers = {-EINTR, 0};
  CHECK(file.flush() == 0);
  CHECK(file.take_calls() == Calls(2, "fdatasync 0+0"));
}

TEST_CASE("PLUG-6: a short read goes on where it stopped, and ends with zeroes at 0") {
  OpenFile file("io_uring");
  file.engine->answers = {1000, 96, 3000};
  CHECK(file.read() == 0);
  CHECK(file.take_calls() == Calls{"read 0+4096", "read 1000+3096", "read 1096+3000"});
  file.engine->answers = {1000, 0};
  CHECK(file.read() == 0);
  CHECK(file.data == std::string(1000, '?') + std::string(3096, '\0'));
}

TEST_CASE("PLUG-7: a write without progress is ENOSPC on a ring and EINVAL on workers") {
  OpenFile ring("io_uring");
  ring.engine->answers = {0};
  CHECK(ring.write() == -ENOSPC);
  ring.engine->answers = {1000, 0};
  CHECK(ring.write() == -ENOSPC);
  OpenFile threads("threads");
  threads.engine->answers = {1000, 0};
  CHECK(threads.write() == -EINVAL);
  OpenFile workers("io_uring", false, "threads");
  workers.engine->answers = {0};
  CHECK(workers.write() == -EINVAL);
}

TEST_CASE("FILE-10: under O_DIRECT EINVAL after a short read is the end of the file") {
  OpenFile direct("io_uring", true);
  direct.engine->answers = {1000, -EINVAL};
  CHECK(direct.read() == 0);
  OpenFile cached("io_uring");
  cached.engine->answers = {1000, -EINVAL};
  CHECK(cached.read() == -EINVAL);
  direct.engine->answers = {-EINVAL};
  CHECK(direct.read() == -EINVAL);
}

namespace {

/// Four pieces of memory that lie side by side.
struct Pieces {
  explicit Pieces(std::string& data) {
    for (std::size_t i = 0; i < iov.size(); ++i) {
      iov[i] = {data.data() + i * 1024, 1024};
    }
  }
  IoView view() const { return {iov.data(), static_cast<std::uint32_t>(iov.size())}; }
  std::array<iovec, 4> iov{};
};

}  // namespace

TEST_CASE("FILE-18: a host without vectored transfers is asked once, then memory is in one piece") {
  OpenFile file("io_uring");
  const Pieces pieces(file.data);
  file.engine->fill = 'r';
  file.engine->answers = {-ENOSYS};
  CHECK(file.run(file.driver->preadv(0, 4096, pieces.view(), 0)).ok());
  CHECK(file.take_calls() == Calls(2, "read 0+4096"));
  CHECK(file.data == std::string(4096, 'r'));
  CHECK(file.run(file.driver->pwritev(0, 4096, pieces.view(), 0)).ok());
  CHECK(file.take_calls() == Calls{"write 0+4096"});
  CHECK(file.engine->pieces == std::vector<std::uint32_t>{4, 1, 1});
}

TEST_CASE("FILE-18: a partial vectored transfer is done again in one piece of memory") {
  OpenFile file("io_uring");
  const Pieces pieces(file.data);
  file.engine->answers = {1500};
  CHECK(file.run(file.driver->pwritev(0, 4096, pieces.view(), 0)).ok());
  CHECK(file.take_calls() == Calls(2, "write 0+4096"));
  file.engine->answers = {};
  CHECK(file.run(file.driver->pwritev(0, 4096, pieces.view(), 0)).ok());
  CHECK(file.engine->pieces == std::vector<std::uint32_t>{4, 1, 4});
}

TEST_CASE("FILE-18: what a short read gave is copied back, and zeroes after it") {
  OpenFile file("io_uring");
  const Pieces pieces(file.data);
  file.engine->fill = 'r';
  file.engine->answers = {1500, 1500, 0};
  CHECK(file.run(file.driver->preadv(0, 4096, pieces.view(), 0)).ok());
  CHECK(file.take_calls() == Calls{"read 0+4096", "read 0+4096", "read 1500+2596"});
  CHECK(file.engine->pieces == std::vector<std::uint32_t>{4, 1, 1});
  CHECK(file.data == std::string(1500, 'r') + std::string(2596, '\0'));
}

TEST_CASE("FILE-11: the length is asked for each time") {
  OpenFile file("io_uring");
  CHECK(file.run(file.driver->length()) == 65536);
  REQUIRE(::truncate(file.path.c_str(), 131072) == 0);
  CHECK(file.run(file.driver->length()) == 131072);
}

TEST_CASE("FLUSH-8: a failed flush is remembered, except under O_DIRECT") {
  OpenFile cached("io_uring");
  cached.engine->answers = {-EIO};
  CHECK(cached.flush() == -EIO);
  CHECK(cached.flush() == -EIO);
  CHECK(cached.take_calls().size() == 1);
  OpenFile direct("io_uring", true);
  direct.engine->answers = {-EIO, 0};
  CHECK(direct.flush() == -EIO);
  CHECK(direct.flush() == 0);
  CHECK(direct.take_calls().size() == 2);
}

TEST_CASE("FILE-22: the allocated size is st_blocks * 512") {
  OpenFile file("threads");
  CHECK(file.run(file.driver->allocated_size()) == 0);
  const std::string block(4096, 'x');
  const int fd = ::open(file.path.c_str(), O_WRONLY);
  REQUIRE(::pwrite(fd, block.data(), block.size(), 8192) == 4096);
  struct stat info{};
  REQUIRE(::fstat(fd, &info) == 0);
  ::close(fd);
  CHECK(info.st_blocks > 0);
  CHECK(file.run(file.driver->allocated_size()) == info.st_blocks * 512);
}
