// What the file driver makes of the results that an engine gives it.
#include "drivers/file.hpp"

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
