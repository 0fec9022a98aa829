// Limits of a throttled disk: QAPI's ThrottleLimits, complete and checked.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** The six buckets, in the order in which native/ numbers them. */
export const BUCKETS = [
  'bps-total',
  'bps-read',
  'bps-write',
  'iops-total',
  'iops-read',
  'iops-write',
] as const;
/** What is limited: bytes and operations, of all requests, reads and writes. */
export type Bucket = (typeof BUCKETS)[number];

/**
 * QAPI's ThrottleLimits. `bps-*` are bytes, `iops-*` operations per second, 0 to 1e15, 0 for no limit.
 * `*-max`: as much in a burst, per second; 0: a tenth of a second's worth of the limit at once.
 * `*-max-length`: seconds that a burst may last, at least 1. `iops-size`: bytes that count as one
 * operation; a larger request counts as several, with the fraction.
 */
export type ThrottleLimits = {
  readonly [name in Bucket | `${Bucket}-max` | `${Bucket}-max-length` | 'iops-size']?: number;
};

/** All of them; absent limits are 0 and absent lengths 1 (TQ-6). */
export type CompleteLimits = Required<ThrottleLimits>;

/** A bucket's limit and its maximum may be as high as this. */
export const MAX_LIMIT = 1e15;
/** Seconds. */
const MAX_LENGTH = 2 ** 32 - 1;

const NAMES = [
  ...BUCKETS.flatMap((bucket) => [bucket, `${bucket}-max`, `${bucket}-max-length`] as const),
  'iops-size',
] as const;

const isLength = (name: string): boolean => name.endsWith('-max-length');

/** What the limits are when nobody said anything: off. */
export const NO_LIMITS: CompleteLimits = Object.freeze(
  Object.fromEntries(NAMES.map((name) => [name, isLength(name) ? 1 : 0])) as CompleteLimits,
);

/** Any bucket limits anything (THR-17). */
export const isThrottling = (limits: CompleteLimits): boolean =>
  BUCKETS.some((bucket) => limits[bucket] > 0);

/**
 * `limits` on top of `base`, checked as a whole; the first rule that is broken is told (THR-25).
 * @throws BlockError EINVAL
 */
export function completeLimits(limits: ThrottleLimits, base = NO_LIMITS): CompleteLimits {
  for (const [name, value] of Object.entries(limits)) checkField(name, value);
  const complete = { ...base, ...definedOf(limits) };
  checkCombination(complete);
  checkOperationSize(complete);
  for (const bucket of BUCKETS) checkBucket(complete, bucket);
  return Object.freeze(complete);
}

function definedOf(limits: ThrottleLimits): ThrottleLimits {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

function refuse(text: string): never {
  throw new BlockError(Errno.EINVAL, { operation: 'throttle', text });
}

function checkField(name: string, value: unknown): void {
  if (!(NAMES as readonly string[]).includes(name)) refuse(`'${name}' is no limit`);
  if (value === undefined) return;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    refuse(`${name} must be a whole number`);
  }
  if (value < 0) refuse(`${name} must not be negative, and is ${value}`);
}

/**
 * Lengths as commands and group objects take them: 32 bits wide (TQ-13).
 * @throws BlockError EINVAL
 */
export function checkLengths(limits: ThrottleLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    if (isLength(name) && typeof value === 'number' && value > MAX_LENGTH) {
      refuse(`${name} must be at most ${MAX_LENGTH} seconds, and is ${value}`);
    }
  }
}

/** A total beside one of its directions would leave open which of them counts. */
function checkCombination(limits: CompleteLimits): void {
  for (const unit of ['bps', 'iops'] as const) {
    for (const suffix of ['', '-max'] as const) {
      const total = limits[`${unit}-total${suffix}`];
      const directions = (['read', 'write'] as const).map(
        (direction) => `${unit}-${direction}${suffix}` as const,
      );
      const other = directions.find((name) => limits[name] > 0);
      if (total > 0 && other) refuse(`${unit}-total${suffix} and ${other} exclude each other`);
    }
  }
}

function checkOperationSize(limits: CompleteLimits): void {
  const limitsOperations = BUCKETS.some((name) => name.startsWith('iops') && limits[name] > 0);
  if (limits['iops-size'] > 0 && !limitsOperations) {
    refuse('iops-size needs a limit of operations: iops-total, iops-read or iops-write');
  }
}

function checkBucket(limits: CompleteLimits, bucket: Bucket): void {
  const average = limits[bucket];
  const maximum = limits[`${bucket}-max`];
  const length = limits[`${bucket}-max-length`];
  for (const [name, value] of [
    [bucket, average],
    [`${bucket}-max`, maximum],
  ] as const) {
    if (value > MAX_LIMIT) refuse(`${name} must be at most ${MAX_LIMIT}, and is ${value}`);
  }
  if (length === 0) refuse(`${bucket}-max-length must be at least 1 second`);
  if (length > 1 && maximum === 0) refuse(`${bucket}-max-length needs ${bucket}-max`);
  const longest = maximum > 0 ? Math.floor(MAX_LIMIT / maximum) : Number.POSITIVE_INFINITY;
  if (length > longest) {
    refuse(
      `${bucket}-max-length must be at most ${longest} seconds with a ${bucket}-max of ${maximum}`,
    );
  }
  if (maximum > 0 && average === 0) refuse(`${bucket}-max needs ${bucket}`);
  if (maximum > 0 && maximum < average) {
    refuse(`${bucket}-max must not be below ${bucket}: ${maximum} is less than ${average}`);
  }
}
