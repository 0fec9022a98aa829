// The size of a regular file, with or without space behind it.
#pragma once

#include <string>

#include "block/driver.hpp"

namespace blk::drivers {

/// From `old_size`, which it has again when this fails. On a worker; the name is for errors.
int resize_file(int fd, const std::string& filename, std::int64_t old_size,
                const block::TruncateRequest& request, block::ErrorReport& report);

}  // namespace blk::drivers
