// The lines that tell what a request did; scripts read them.

import { durationText } from './timing.js';

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/**
 * With three decimals, ties to even, as C's printf rounds; toFixed() rounds them up. Only odd
 * multiples of 1/16 lie in the middle between two neighbours.
 */
function threeDecimals(value: number): string {
  const sixteenths = value * 16;
  if (!Number.isInteger(sixteenths) || sixteenths % 2 === 0) return value.toFixed(3);
  const below = Math.floor(sixteenths * 62.5);
  const thousandths = below % 2 === 0 ? below : below + 1;
  return `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, '0')}`;
}

/** 65536 -> '64 KiB', 1536 -> '1.500 KiB', 12 -> '12 bytes'. (qemu-io-cmds.c: cvtstr) */
export function sizeText(bytes: number): string {
  let scaled = bytes;
  let unit = 'bytes';
  for (const larger of UNITS) {
    if (scaled < 1024) break;
    scaled /= 1024;
    unit = larger;
  }
  if (!Number.isFinite(scaled)) return `inf ${unit}`;
  const text = unit === 'bytes' ? scaled.toFixed(6) : threeDecimals(scaled);
  const zeroes = text.indexOf('.000');
  return `${zeroes < 0 ? text : text.slice(0, zeroes)} ${unit}`;
}

export interface Report {
  /** 'read', 'wrote', 'discard'. */
  readonly operation: string;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly seconds: number;
  /** -C: for machines. */
  readonly terse: boolean;
}

/** Of one request that succeeded. (qemu-io-cmds.c: print_report) */
export function reportLines({ operation, offset, bytes, seconds, terse }: Report): string[] {
  const rate = Number(bytes) / seconds;
  const operations = 1 / seconds;
  if (terse) {
    const time = durationText(seconds, true);
    return [`${bytes},1,${time},${rate.toFixed(3)},${operations.toFixed(3)}`];
  }
  const time = durationText(seconds);
  return [
    `${operation} ${bytes}/${bytes} bytes at offset ${offset}`,
    `${sizeText(Number(bytes))}, 1 ops; ${time} (${sizeText(rate)}/sec and ${operations.toFixed(4)} ops/sec)`,
  ];
}
