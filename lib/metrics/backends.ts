// What backends did, and what they are doing.

import type { AccountingType } from '../accounting/accounting.js';
import type { NativeBackendStats, NativeCounters } from '../aio/native-binding.js';
import { BlockBackend } from '../block-backend.js';
import { graph } from '../graph/graph.js';
import type { GraphRoot } from '../graph/root.js';
import { rootId } from '../graph/root-id.js';
import { histogramSamples, type Labels, type MetricFamily, seconds } from './family.js';

/** In the order in which native/ numbers them. */
const TYPES = ['read', 'write', 'flush', 'unmap'] as const satisfies readonly AccountingType[];
const WITH_BYTES: readonly AccountingType[] = ['read', 'write', 'unmap'];
/** Those with a queue depth. */
const QUEUED: readonly AccountingType[] = ['read', 'write'];

/** A backend as it was when all of them were looked at. */
export interface BackendSample {
  readonly labels: Labels;
  readonly stats: NativeBackendStats;
  readonly info: Labels;
}

/**
 * What tells backends apart, as in QMP's query-blockstats: `device` is the name of the backend, or
 * '#' and a number, and `qdev` the id or path of its device.
 */
function labelsOf(root: GraphRoot): Labels {
  const device = root.deviceName === '' ? `#${rootId(root)}` : root.deviceName;
  const qdev = root.deviceId === '' ? root.devicePath : root.deviceId;
  return qdev === '' ? { device } : { device, qdev };
}

/** All backends with their labels, in order of creation. */
export function labelledBackends(): [BlockBackend, Labels][] {
  return [...graph().roots].flatMap((root): [BlockBackend, Labels][] => {
    const blk = BlockBackend.of(root);
    return blk === undefined ? [] : [[blk, labelsOf(root)]];
  });
}

export function sampleBackends(): BackendSample[] {
  return labelledBackends().map(([blk, labels]) => {
    const { root, context } = blk;
    const node = root === undefined ? {} : { node: root.name };
    return { labels, stats: blk.nativeStats(), info: { ...node, context: context.name } };
  });
}

/** One number for each type of request. */
interface CounterFamily {
  readonly name: string;
  readonly help: string;
  readonly types: readonly AccountingType[];
  readonly value: (counters: NativeCounters) => number;
}

const COUNTERS: readonly CounterFamily[] = [
  {
    name: 'block_backend_operations_total',
    help: 'Accounted requests that succeeded.',
    types: TYPES,
    value: ({ operations }) => operations,
  },
  {
    name: 'block_backend_bytes_total',
    help: 'Bytes of accounted requests that succeeded.',
    types: WITH_BYTES,
    value: ({ bytes }) => bytes,
  },
  {
    name: 'block_backend_failed_operations_total',
    help: 'Accounted requests that failed.',
    types: TYPES,
    value: ({ failed }) => failed,
  },
  {
    name: 'block_backend_invalid_operations_total',
    help: 'Accounted requests that were refused before they started.',
    types: TYPES,
    value: ({ invalid }) => invalid,
  },
  {
    name: 'block_backend_merged_operations_total',
    help: 'Requests that were saved by merging them into others.',
    types: WITH_BYTES,
    value: ({ merged }) => merged,
  },
  {
    name: 'block_backend_operation_seconds_total',
    help: 'Time that accounted requests took, together.',
    types: TYPES,
    value: ({ totalTime }) => seconds(totalTime),
  },
];

interface GaugeFamily {
  readonly name: string;
  readonly help: string;
  /** Undefined: it has none. */
  readonly value: (stats: NativeBackendStats) => number | undefined;
}

const GAUGES: readonly GaugeFamily[] = [
  {
    name: 'block_backend_in_flight_requests',
    help: 'Requests that are under way.',
    value: ({ inFlight }) => inFlight,
  },
  {
    name: 'block_backend_parked_requests',
    help: 'Requests that wait for the end of a drained section.',
    value: ({ parked }) => parked,
  },
  {
    name: 'block_backend_idle_seconds',
    help: 'Time since the last accounted access; absent before the first one.',
    value: ({ idle }) => (idle < 0 ? undefined : seconds(idle)),
  },
  {
    name: 'block_backend_highest_written_offset_bytes',
    help: 'Where in the medium the write that went farthest ended.',
    value: ({ highestWrittenOffset }) => highestWrittenOffset,
  },
];

type Interval = NativeBackendStats['intervals'][number];
type TimedAverage = Interval['latency'][number];

/** One number for each type of request and each interval. */
interface IntervalFamily {
  readonly name: string;
  readonly help: string;
  readonly types: readonly AccountingType[];
  readonly value: (average: TimedAverage) => number;
}

const TIMED = TYPES.filter((type) => type !== 'unmap');

const INTERVALS: readonly IntervalFamily[] = [
  {
    name: 'block_backend_queue_depth',
    help: 'Requests that were under way at a time in the interval, on average.',
    types: QUEUED,
    value: ({ sum, elapsed }) => sum / elapsed,
  },
  {
    name: 'block_backend_interval_latency_min_seconds',
    help: 'The shortest latency in the interval.',
    types: TIMED,
    value: ({ min }) => seconds(min),
  },
  {
    name: 'block_backend_interval_latency_avg_seconds',
    help: 'The average latency in the interval.',
    types: TIMED,
    value: ({ average }) => seconds(average),
  },
  {
    name: 'block_backend_interval_latency_max_seconds',
    help: 'The longest latency in the interval.',
    types: TIMED,
    value: ({ max }) => seconds(max),
  },
];

/** The parts of `list`, which is in the order of TYPES, that belong to `types`. */
function byType<T>(list: readonly T[], types: readonly AccountingType[]): [AccountingType, T][] {
  return [...list.entries()].flatMap(([index, item]): [AccountingType, T][] => {
    const type = TYPES[index];
    return type !== undefined && types.includes(type) ? [[type, item]] : [];
  });
}

function infoFamily(samples: readonly BackendSample[]): MetricFamily {
  return {
    name: 'block_backend_info',
    help: 'The node that a backend is on, and the event loop that its requests run in; always 1.',
    type: 'gauge',
    samples: samples.map(({ labels, info }) => ({ labels: { ...labels, ...info }, value: 1 })),
  };
}

function counterFamily(
  { name, help, types, value }: CounterFamily,
  samples: readonly BackendSample[],
): MetricFamily {
  return {
    name,
    help,
    type: 'counter',
    samples: samples.flatMap(({ labels, stats }) =>
      byType(stats.counters, types).map(([type, counters]) => ({
        labels: { ...labels, type },
        value: value(counters),
      })),
    ),
  };
}

function gaugeFamily(
  { name, help, value }: GaugeFamily,
  samples: readonly BackendSample[],
): MetricFamily {
  return {
    name,
    help,
    type: 'gauge',
    samples: samples.flatMap(({ labels, stats }) => {
      const number = value(stats);
      return number === undefined ? [] : [{ labels, value: number }];
    }),
  };
}

/** Two intervals of one length keep the same averages: one stands for both. */
function distinct(intervals: readonly Interval[]): readonly Interval[] {
  return [...new Map(intervals.map((interval) => [interval.length, interval])).values()];
}

function intervalFamily(
  { name, help, types, value }: IntervalFamily,
  samples: readonly BackendSample[],
): MetricFamily {
  return {
    name,
    help,
    type: 'gauge',
    samples: samples.flatMap(({ labels, stats }) =>
      distinct(stats.intervals).flatMap(({ length, latency }) =>
        byType(latency, types).map(([type, average]) => ({
          labels: { ...labels, type, interval: `${seconds(length)}s` },
          value: value(average),
        })),
      ),
    ),
  };
}

function latencyFamily(samples: readonly BackendSample[]): MetricFamily {
  return {
    name: 'block_backend_latency_seconds',
    help: 'Latencies of accounted requests since the bounds of the histogram were set.',
    type: 'histogram',
    samples: samples.flatMap(({ labels, stats }) =>
      byType(stats.histograms, TIMED).flatMap(([type, { boundaries: bounds, bins, sum }]) =>
        bins.length === 0 ? [] : histogramSamples({ ...labels, type }, { bounds, bins, sum }),
      ),
    ),
  };
}

export function backendFamilies(samples: readonly BackendSample[]): MetricFamily[] {
  return [
    infoFamily(samples),
    ...COUNTERS.map((family) => counterFamily(family, samples)),
    latencyFamily(samples),
    ...INTERVALS.map((family) => intervalFamily(family, samples)),
    ...GAUGES.map((family) => gaugeFamily(family, samples)),
  ];
}
