// Histograms of latencies with bounds of the user's own (QMP: block-latency-histogram-set).

import { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** Bounds in ns: ascending, positive, at least one. n bounds make n + 1 bins. */
export interface LatencyHistogramArguments {
  /** Of the device, not the name of its backend. */
  readonly id: string;
  /** For read, write and flush, unless there are special ones. */
  readonly boundaries?: readonly number[] | undefined;
  readonly 'boundaries-read'?: readonly number[] | undefined;
  readonly 'boundaries-write'?: readonly number[] | undefined;
  readonly 'boundaries-flush'?: readonly number[] | undefined;
}

const OPERATION = 'block-latency-histogram-set';
const TYPES = ['read', 'write', 'flush'] as const;

function areBounds(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((bound) => Number.isSafeInteger(bound) && bound > 0)
  );
}

/**
 * Counts latencies in bins from now on; histograms that are set begin empty. Without any bounds all
 * three histograms are removed. Types are set in the order read, write, flush, so wrong bounds for
 * one leave those before it changed. (QMP: block-latency-histogram-set)
 *
 * @throws BlockError ENODEV when there is no such device; EINVAL for wrong bounds.
 */
export function blockLatencyHistogramSet(request: LatencyHistogramArguments): void {
  const { accounting } = BlockBackend.byDeviceId(request.id);
  const { boundaries } = request;
  const wanted = TYPES.map((type) => [type, request[`boundaries-${type}`] ?? boundaries] as const);
  const removes = wanted.every(([, bounds]) => bounds === undefined);
  for (const [type, bounds] of wanted) {
    if (removes) accounting.setHistogram(type, []);
    else if (bounds !== undefined && !(areBounds(bounds) && set(type, bounds) === 0)) {
      const text = `the ${type} boundaries must be ascending positive integers, at least one`;
      throw new BlockError(Errno.EINVAL, { operation: OPERATION, text });
    }
  }

  function set(type: (typeof TYPES)[number], bounds: readonly number[]): number {
    return accounting.setHistogram(type, bounds);
  }
}
