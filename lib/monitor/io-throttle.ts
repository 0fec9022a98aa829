// Limits of a disk under a running machine (QMP: block_set_io_throttle).

import type { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import {
  type Bucket,
  type CompleteLimits,
  checkLengths,
  completeLimits,
  isThrottling,
  NO_LIMITS,
  type ThrottleLimits,
} from '../throttle/limits.js';
import { backendOf, type DeviceArgument } from './device-argument.js';

const OPERATION = 'block_set_io_throttle';

/** The command's names, and those of the limits, in QAPI's order. */
const BUCKETS = [
  ['bps', 'bps-total'],
  ['bps_rd', 'bps-read'],
  ['bps_wr', 'bps-write'],
  ['iops', 'iops-total'],
  ['iops_rd', 'iops-read'],
  ['iops_wr', 'iops-write'],
] as const satisfies readonly (readonly [string, Bucket])[];

type BucketName = (typeof BUCKETS)[number][0];

/** What a query shows of the limits: maxima and lengths only where there are any. */
export type IoThrottleLimits = { readonly [name in BucketName]: number } & {
  readonly [name in `${BucketName}_max` | `${BucketName}_max_length`]?: number;
} & { readonly iops_size?: number };

/** A drive's limits, with their group. (QAPI: BlockIOThrottle) */
export type IoThrottleInfo = IoThrottleLimits & {
  /** Only while it is throttled. */
  readonly group?: string;
};

/**
 * One of `device` and `id`, all six limits, and what bursts may do. `bps*` are bytes, `iops*`
 * operations per second; 0: no limit. Absent maxima are 0 and absent lengths 1 second.
 */
export type BlockIoThrottle = IoThrottleLimits &
  DeviceArgument & {
    /** Name of the throttle group. Default: the one that it is in, else `device` or `id`. */
    readonly group?: string | undefined;
  };

/**
 * Replaces all limits of a backend with a medium, and of all members of its group; all limits 0:
 * nothing throttles this backend any more, and others go on as before.
 *
 * @throws (rejects) BlockError: ENODEV for an unknown device, ENOMEDIUM without a medium, EINVAL
 * for limits that do not go together; then nothing has changed. (qmp_block_set_io_throttle)
 */
export async function blockSetIoThrottle(request: BlockIoThrottle): Promise<void> {
  const { device, id, group } = request;
  const blk = backendOf(request, OPERATION);
  if (blk.root === undefined) {
    throw failure(Errno.ENOMEDIUM, `the device '${device ?? id}' has no medium`);
  }
  const given = limitsOf(request);
  checkLengths(given);
  const limits = completeLimits(given);
  if (!isThrottling(limits)) {
    if (blk.throttleGroup !== undefined) await blk.ioLimitsDisable();
    return;
  }
  if (blk.throttleGroup === undefined) blk.ioLimitsEnable(group ?? device ?? (id as string));
  else if (group !== undefined) await blk.ioLimitsUpdateGroup(group);
  blk.setIoLimits(limits);
}

/** What a query shows of the limits where there are none. */
export const UNTHROTTLED: IoThrottleInfo = Object.freeze(shownLimits(NO_LIMITS));

/** The limits of a backend, as a query of block devices shows them (QAPI: BlockDeviceInfo). */
export function ioThrottleInfo(blk: BlockBackend): IoThrottleInfo {
  const limits = blk.ioLimits ?? NO_LIMITS;
  const group = blk.throttleGroup && { group: blk.throttleGroup.name };
  return Object.freeze({ ...shownLimits(limits), ...group });
}

function shownLimits(limits: CompleteLimits): IoThrottleLimits {
  const shown: { [name: string]: number; iops_size?: number } = {};
  for (const [name, bucket] of BUCKETS) shown[name] = limits[bucket];
  for (const [name, bucket] of BUCKETS) {
    if (limits[`${bucket}-max`] === 0) continue;
    shown[`${name}_max`] = limits[`${bucket}-max`];
    shown[`${name}_max_length`] = limits[`${bucket}-max-length`];
  }
  if (limits['iops-size'] !== 0) shown.iops_size = limits['iops-size'];
  return shown as IoThrottleLimits;
}

function limitsOf(request: BlockIoThrottle): ThrottleLimits {
  const limits: Record<string, number | undefined> = { 'iops-size': request.iops_size };
  for (const [name, bucket] of BUCKETS) {
    if (request[name] === undefined) throw failure(Errno.EINVAL, `${name} is missing`);
    limits[bucket] = request[name];
    limits[`${bucket}-max`] = request[`${name}_max`];
    limits[`${bucket}-max-length`] = request[`${name}_max_length`];
  }
  return limits;
}

function failure(errno: number, text: string): BlockError {
  return new BlockError(errno, { operation: OPERATION, text });
}
