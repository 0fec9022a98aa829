// What queries answer.

import {
  array,
  bool,
  enumeration,
  int64,
  type Members,
  number,
  object,
  optional,
  str,
  type Type,
  uint32,
  uint64,
} from './type.js';

const PERMISSIONS = ['consistent-read', 'write', 'write-unchanged', 'resize'] as const;

const BUCKETS = ['bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'] as const;

/** The six limits always, what bursts may do only where they may. */
const throttleMembers: Members = {
  ...Object.fromEntries(BUCKETS.map((name) => [name, int64])),
  ...Object.fromEntries(
    BUCKETS.flatMap((name) => [
      [`${name}_max`, optional(int64)],
      [`${name}_max_length`, optional(int64)],
    ]),
  ),
  iops_size: optional(int64),
  group: optional(str),
};

export const imageInfo: Type<unknown> = object(
  'ImageInfo',
  (): Members => ({
    filename: str,
    format: str,
    'dirty-flag': optional(bool),
    'actual-size': optional(uint64),
    'virtual-size': uint64,
    'cluster-size': optional(uint64),
    'backing-filename': optional(str),
    'full-backing-filename': optional(str),
    'backing-filename-format': optional(str),
    'backing-image': optional(imageInfo),
  }),
);

const dirtyInfo = object('BlockDirtyInfo', {
  name: str,
  granularity: uint32,
  count: uint64,
  recording: bool,
  busy: bool,
  persistent: bool,
  inconsistent: optional(bool),
});

export const blockDeviceInfo: Type<unknown> = object('BlockDeviceInfo', {
  file: str,
  'node-name': str,
  ro: bool,
  drv: str,
  backing_file: optional(str),
  backing_file_depth: uint64,
  encrypted: bool,
  detect_zeroes: enumeration('BlockdevDetectZeroesOptions', ['off', 'on', 'unmap']),
  ...throttleMembers,
  image: imageInfo,
  cache: object('BlockdevCacheInfo', { writeback: bool, direct: bool, 'no-flush': bool }),
  write_threshold: uint64,
  'dirty-bitmaps': optional(array(dirtyInfo)),
});

export const blockInfo: Type<unknown> = object('BlockInfo', {
  device: str,
  qdev: optional(str),
  type: str,
  removable: bool,
  locked: bool,
  inserted: optional(blockDeviceInfo),
  tray_open: optional(bool),
  'io-status': optional(enumeration('BlockDeviceIoStatus', ['ok', 'failed', 'nospace'])),
});

const timedStats = object('BlockDeviceTimedStats', {
  interval_length: uint64,
  ...Object.fromEntries(
    ['rd', 'wr', 'flush'].flatMap((type) =>
      ['min', 'max', 'avg'].map((what) => [`${what}_${type}_latency_ns`, uint64]),
    ),
  ),
  avg_rd_queue_depth: number,
  avg_wr_queue_depth: number,
});

const histogram = object('BlockLatencyHistogramInfo', {
  boundaries: array(uint64),
  bins: array(uint64),
});

const TYPES = ['rd', 'wr', 'unmap'] as const;
const COUNTED = ['rd', 'wr', 'flush', 'unmap'] as const;

const deviceStats = object('BlockDeviceStats', {
  ...Object.fromEntries(TYPES.map((type) => [`${type}_bytes`, uint64])),
  ...Object.fromEntries(COUNTED.map((type) => [`${type}_operations`, uint64])),
  ...Object.fromEntries(COUNTED.map((type) => [`${type}_total_time_ns`, uint64])),
  wr_highest_offset: uint64,
  ...Object.fromEntries(TYPES.map((type) => [`${type}_merged`, uint64])),
  idle_time_ns: optional(uint64),
  ...Object.fromEntries(COUNTED.map((type) => [`failed_${type}_operations`, uint64])),
  ...Object.fromEntries(COUNTED.map((type) => [`invalid_${type}_operations`, uint64])),
  account_invalid: bool,
  account_failed: bool,
  timed_stats: array(timedStats),
  rd_latency_histogram: optional(histogram),
  wr_latency_histogram: optional(histogram),
  flush_latency_histogram: optional(histogram),
});

export const blockStats: Type<unknown> = object(
  'BlockStats',
  (): Members => ({
    device: optional(str),
    qdev: optional(str),
    'node-name': optional(str),
    stats: deviceStats,
    'driver-specific': optional(
      object('BlockStatsSpecific', {
        driver: str,
        'discard-nb-ok': uint64,
        'discard-nb-failed': uint64,
        'discard-bytes-ok': uint64,
      }),
    ),
    parent: optional(blockStats),
    backing: optional(blockStats),
  }),
);

export const blockGraph = object('XDbgBlockGraph', {
  nodes: array(
    object('XDbgBlockGraphNode', {
      id: uint64,
      type: enumeration('XDbgBlockGraphNodeType', ['block-backend', 'block-job', 'block-driver']),
      name: str,
    }),
  ),
  edges: array(
    object('XDbgBlockGraphEdge', {
      parent: uint64,
      child: uint64,
      name: str,
      perm: array(enumeration('BlockPermission', PERMISSIONS)),
      'shared-perm': array(enumeration('BlockPermission', PERMISSIONS)),
    }),
  ),
});
