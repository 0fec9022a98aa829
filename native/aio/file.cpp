#include "aio/file.hpp"

#include <unistd.h>

namespace blk::aio {

void UniqueFd::reset(int fd) {
  const int old = fd_;
  fd_ = fd;
  if (old >= 0) {
    // Linux frees the number even when close() reports EINTR, so it is never tried again.
    ::close(old);
  }
}

}  // namespace blk::aio
