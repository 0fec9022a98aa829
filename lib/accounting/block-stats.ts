// Statistics as QAPI words them, from native numbers.

import type {
  NativeBackendStats,
  NativeCounters,
  NativeHistogram,
  NativeTimedAverage,
} from '../aio/native-binding.js';

/** Latencies and queue depths lately (QAPI: BlockDeviceTimedStats). Latencies in ns. */
export interface BlockDeviceTimedStats {
  /** In seconds. */
  readonly interval_length: number;
  readonly min_rd_latency_ns: number;
  readonly max_rd_latency_ns: number;
  readonly avg_rd_latency_ns: number;
  readonly min_wr_latency_ns: number;
  readonly max_wr_latency_ns: number;
  readonly avg_wr_latency_ns: number;
  readonly min_flush_latency_ns: number;
  readonly max_flush_latency_ns: number;
  readonly avg_flush_latency_ns: number;
  /** Requests that were under way at a time, on average. */
  readonly avg_rd_queue_depth: number;
  readonly avg_wr_queue_depth: number;
}

/** Bin n counts latencies from boundary n-1 to below boundary n, in ns. */
export interface BlockLatencyHistogramInfo {
  readonly boundaries: readonly number[];
  readonly bins: readonly number[];
}

/** A frozen snapshot (QAPI: BlockDeviceStats). */
export interface BlockDeviceStats {
  readonly rd_bytes: number;
  readonly wr_bytes: number;
  readonly unmap_bytes: number;
  readonly rd_operations: number;
  readonly wr_operations: number;
  readonly flush_operations: number;
  readonly unmap_operations: number;
  readonly rd_total_time_ns: number;
  readonly wr_total_time_ns: number;
  readonly flush_total_time_ns: number;
  readonly unmap_total_time_ns: number;
  /** Of the medium: where the write that went farthest ended, failed ones included. */
  readonly wr_highest_offset: number;
  readonly rd_merged: number;
  readonly wr_merged: number;
  readonly unmap_merged: number;
  /** Since the last access; absent before the first one that is accounted. */
  readonly idle_time_ns?: number;
  readonly failed_rd_operations: number;
  readonly failed_wr_operations: number;
  readonly failed_flush_operations: number;
  readonly failed_unmap_operations: number;
  readonly invalid_rd_operations: number;
  readonly invalid_wr_operations: number;
  readonly invalid_flush_operations: number;
  readonly invalid_unmap_operations: number;
  readonly account_invalid: boolean;
  readonly account_failed: boolean;
  /** In the order in which the intervals were given. */
  readonly timed_stats: readonly BlockDeviceTimedStats[];
  readonly rd_latency_histogram?: BlockLatencyHistogramInfo;
  readonly wr_latency_histogram?: BlockLatencyHistogramInfo;
  readonly flush_latency_histogram?: BlockLatencyHistogramInfo;
}

const NANOSECONDS = 1e9;

const NO_COUNTERS: NativeCounters = Object.freeze({
  bytes: 0,
  operations: 0,
  failed: 0,
  invalid: 0,
  merged: 0,
  totalTime: 0,
});

/** What a node has instead: requests are accounted by the backends above (ACCT-25). */
const NODE_STATS: NativeBackendStats = Object.freeze({
  counters: Object.freeze([NO_COUNTERS, NO_COUNTERS, NO_COUNTERS, NO_COUNTERS]),
  intervals: Object.freeze([]),
  histograms: Object.freeze([]),
  idle: -1,
  accountInvalid: false,
  accountFailed: false,
  highestWrittenOffset: 0,
  inFlight: 0,
  parked: 0,
});

function queueDepth({ sum, elapsed }: NativeTimedAverage): number {
  return sum / elapsed;
}

function timedStats({
  length,
  latency,
}: NativeBackendStats['intervals'][number]): BlockDeviceTimedStats {
  const [read, write, flush] = latency as [
    NativeTimedAverage,
    NativeTimedAverage,
    NativeTimedAverage,
  ];
  return Object.freeze({
    interval_length: length / NANOSECONDS,
    min_rd_latency_ns: read.min,
    max_rd_latency_ns: read.max,
    avg_rd_latency_ns: read.average,
    min_wr_latency_ns: write.min,
    max_wr_latency_ns: write.max,
    avg_wr_latency_ns: write.average,
    min_flush_latency_ns: flush.min,
    max_flush_latency_ns: flush.max,
    avg_flush_latency_ns: flush.average,
    avg_rd_queue_depth: queueDepth(read),
    avg_wr_queue_depth: queueDepth(write),
  });
}

const HISTOGRAMS = [
  'rd_latency_histogram',
  'wr_latency_histogram',
  'flush_latency_histogram',
] as const;

type Histograms = Pick<BlockDeviceStats, (typeof HISTOGRAMS)[number]>;

function histogramStats(histograms: readonly NativeHistogram[]): Histograms {
  const found: { -readonly [name in keyof Histograms]: Histograms[name] } = {};
  for (const [index, { boundaries, bins }] of histograms.entries()) {
    const name = HISTOGRAMS[index];
    if (name === undefined || boundaries.length === 0) continue;
    found[name] = Object.freeze({
      boundaries: Object.freeze(boundaries),
      bins: Object.freeze(bins),
    });
  }
  return found;
}

export function blockDeviceStats(native: NativeBackendStats): BlockDeviceStats {
  const [read = NO_COUNTERS, write = NO_COUNTERS, flush = NO_COUNTERS, unmap = NO_COUNTERS] =
    native.counters;
  return Object.freeze({
    rd_bytes: read.bytes,
    wr_bytes: write.bytes,
    unmap_bytes: unmap.bytes,
    rd_operations: read.operations,
    wr_operations: write.operations,
    flush_operations: flush.operations,
    unmap_operations: unmap.operations,
    rd_total_time_ns: read.totalTime,
    wr_total_time_ns: write.totalTime,
    flush_total_time_ns: flush.totalTime,
    unmap_total_time_ns: unmap.totalTime,
    wr_highest_offset: native.highestWrittenOffset,
    rd_merged: read.merged,
    wr_merged: write.merged,
    unmap_merged: unmap.merged,
    ...(native.idle < 0 ? {} : { idle_time_ns: native.idle }),
    failed_rd_operations: read.failed,
    failed_wr_operations: write.failed,
    failed_flush_operations: flush.failed,
    failed_unmap_operations: unmap.failed,
    invalid_rd_operations: read.invalid,
    invalid_wr_operations: write.invalid,
    invalid_flush_operations: flush.invalid,
    invalid_unmap_operations: unmap.invalid,
    account_invalid: native.accountInvalid,
    account_failed: native.accountFailed,
    timed_stats: Object.freeze(native.intervals.map(timedStats)),
    ...histogramStats(native.histograms),
  });
}

export function nodeStats(highestWrittenOffset: number): BlockDeviceStats {
  return blockDeviceStats({ ...NODE_STATS, highestWrittenOffset });
}
