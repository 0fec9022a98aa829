// Limits and what is counted.

import { type BlockIoThrottle, blockSetIoThrottle } from '../../monitor/io-throttle.js';
import { blockLatencyHistogramSet } from '../../monitor/latency-histogram-set.js';
import { command, DEVICE_NOT_FOUND } from '../command.js';
import { array, int64, optional, str, uint64 } from '../schema/type.js';

export const throttleCommands = [
  command(
    'block_set_io_throttle',
    {
      device: optional(str),
      id: optional(str),
      bps: int64,
      bps_rd: int64,
      bps_wr: int64,
      iops: int64,
      iops_rd: int64,
      iops_wr: int64,
      bps_max: optional(int64),
      bps_rd_max: optional(int64),
      bps_wr_max: optional(int64),
      iops_max: optional(int64),
      iops_rd_max: optional(int64),
      iops_wr_max: optional(int64),
      bps_max_length: optional(int64),
      bps_rd_max_length: optional(int64),
      bps_wr_max_length: optional(int64),
      iops_max_length: optional(int64),
      iops_rd_max_length: optional(int64),
      iops_wr_max_length: optional(int64),
      iops_size: optional(int64),
      group: optional(str),
    },
    {
      doc: 'Replaces all limits of a drive, and of all members of its group; all 0: no limits any more.',
      classes: DEVICE_NOT_FOUND,
      run: (request) => blockSetIoThrottle(request as BlockIoThrottle),
    },
  ),
  command(
    'block-latency-histogram-set',
    {
      id: str,
      boundaries: optional(array(uint64)),
      'boundaries-read': optional(array(uint64)),
      'boundaries-write': optional(array(uint64)),
      'boundaries-flush': optional(array(uint64)),
    },
    {
      doc: 'Counts latencies in bins between these bounds, in ns; without any bounds no longer.',
      classes: DEVICE_NOT_FOUND,
      run: blockLatencyHistogramSet,
    },
  ),
];
