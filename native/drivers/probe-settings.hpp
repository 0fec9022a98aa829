// What an x-probe node can be set to, by options and later by controls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "block/error-report.hpp"
#include "block/limits.hpp"
#include "block/options.hpp"
#include "drivers/probe-hooks.hpp"
#include "drivers/text.hpp"

namespace blk::drivers {

struct ProbeSettings {
  std::int64_t size = 0;
  bool variable_length = false;
  std::string note;
  bool vmstate = false;
  bool compress = false;
  bool scsi = false;
  bool truncate_zeroes = true;
  std::uint32_t physical_block_size = 0;  // 0: it does not say
  std::uint32_t logical_block_size = 0;
  std::uint32_t cylinders = 0;  // 0: it has no geometry
  std::uint32_t heads = 0;
  std::uint32_t sectors = 0;
  block::Limits limits;
};

/// EINVAL when there is no such limit, or it cannot have the value.
int set_limit(block::Limits& limits, std::string_view name, std::int64_t value);
int parse_probe_settings(const block::Options& options, ProbeSettings& settings,
                         block::ErrorReport& report);
/// "hook:errno" or "hook:errno:times", errno positive.
int plan_failure(ProbeHooks& hooks, std::string_view text);
/// Several of them, with commas.
int plan_failures(ProbeHooks& hooks, std::string_view text);

}  // namespace blk::drivers
