// Random limits and sizes. Numbers are drawn by their magnitude: small ones are as likely as large.
import type { Random } from '../support/random.js';
import type { ModelLimits } from './bucket-model.js';

/** A whole number from `least` to `most`. */
export function magnitude(random: Random, least: number, most: number): number {
  const fraction = random(2 ** 32) / 2 ** 32;
  return Math.min(most, Math.floor(least * (most / least) ** fraction));
}

export function oneOf<T>(random: Random, choices: readonly T[]): T {
  return choices[random(choices.length)] as T;
}

const SHARES = [['total'], ['total'], ['read'], ['write'], ['read', 'write']];
/** Per second. */
const HIGHEST = { bps: 1e10, iops: 1e6 };

/** At least one bucket limits. */
export function drawLimits(random: Random): ModelLimits {
  const units = oneOf(random, [['bps'], ['iops'], ['bps', 'iops']] as const);
  const limits: Record<string, number> = {};
  for (const unit of units) {
    for (const share of oneOf(random, SHARES)) {
      Object.assign(limits, drawBucket(random, `${unit}-${share}`, HIGHEST[unit]));
    }
  }
  const countsOperations = units.some((unit) => unit === 'iops');
  if (countsOperations && random(2) === 0) limits['iops-size'] = magnitude(random, 1, 1 << 20);
  return limits;
}

function drawBucket(random: Random, name: string, highest: number): ModelLimits {
  const average = magnitude(random, 1, highest);
  const [max, length] = [`${name}-max`, `${name}-max-length`];
  const most = magnitude(random, average, average * 20);
  switch (random(4)) {
    case 0:
      return { [name]: average, [max]: most };
    case 1:
      return { [name]: average, [max]: most, [length]: 1 + random(10) };
    default:
      return { [name]: average };
  }
}

/**
 * The most bytes of a request that the limits let wait for some minutes at most: sums of times stay
 * exact numbers of nanoseconds.
 */
export function largestRequest(limits: ModelLimits, longest: number): number {
  let bytes = longest;
  for (const [name, rate] of Object.entries(limits)) {
    if (/^bps-[a-z]+$/.test(name)) bytes = Math.min(bytes, rate * 100);
    if (/^iops-[a-z]+$/.test(name) && limits['iops-size']) {
      bytes = Math.min(bytes, limits['iops-size'] * rate * 100);
    }
  }
  return bytes;
}
