// Numbers on the command line. Each parser is one of commander's: what it throws ends up behind
// "option '--bs <size>' argument '4Q' is invalid."
import { InvalidArgumentError } from 'commander';

const SIZE = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i;
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m)?$/;
const EXPONENT: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60 };

/** '4K' -> 4096. Suffixes are powers of 1024. */
export function parseSize(text: string): number {
  const [, digits = '', suffix = ''] = SIZE.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** (EXPONENT[suffix.toLowerCase()] ?? 0);
  if (digits === '' || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('Sizes look like 512, 4K, 1.5M or 2G.');
  }
  return bytes;
}

/** A parser of sizes within limits. */
export function sizeBetween(low: number, high: number, unit: number): (text: string) => number {
  return (text) => {
    const bytes = parseSize(text);
    if (bytes < low || bytes > high || bytes % unit !== 0) {
      throw new InvalidArgumentError(
        `It must be a multiple of ${shortSize(unit)} from ${shortSize(low)} to ${shortSize(high)}.`,
      );
    }
    return bytes;
  };
}

/** '500ms' -> 0.5; without a unit it is seconds. */
export function parseSeconds(text: string): number {
  const [, digits = '', unit = 's'] = DURATION.exec(text) ?? [];
  const seconds = Number(digits) * (SECONDS[unit] ?? 1);
  if (digits === '' || seconds <= 0 || seconds > 86_400) {
    throw new InvalidArgumentError('Times look like 5, 2.5s, 500ms or 1m; at most a day.');
  }
  return seconds;
}

/** A parser of integers within limits. */
export function integerBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) {
      throw new InvalidArgumentError(`It must be an integer from ${low} to ${high}.`);
    }
    return value;
  };
}

/** 65536 -> '64K'. */
export function shortSize(bytes: number): string {
  let value = bytes;
  for (const suffix of ['', 'K', 'M', 'G', 'T']) {
    if (value < 1024 || value % 1024 !== 0) return `${value}${suffix}`;
    value /= 1024;
  }
  return `${value}P`;
}
