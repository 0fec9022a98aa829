// What commands with data share: lengths, memory, and the end of the disk.

import type { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { MAX_TRANSFER } from '../errors/request-failure.js';
import type { CommandEnvironment } from './command.js';
import { outcomeOf, readSize, refuse } from './outcome.js';

const MISALIGNMENT = 16;
const SECTOR = 512n;

/** Of one request, in bytes (BDRV_REQUEST_MAX_BYTES). */
export const MAX_BYTES = BigInt(MAX_TRANSFER);

/** Lengths up to this are not worth a look at the end of the disk first. */
const SMALL = 1n << 20n;

/** undefined: there is not so much. */
function memory(io: CommandEnvironment, blk: BlockBackend, bytes: bigint): Buffer | undefined {
  const skipped = io.misalign ? MISALIGNMENT : 0;
  try {
    return blk.allocate(Number(bytes) + skipped).subarray(skipped);
  } catch {
    return undefined;
  }
}

/**
 * Whether the range is long or far, and not all of it on the disk: a request for it would fail, and
 * need not take memory first. The numbers of all others are exact as JavaScript's.
 */
export function endsBehind(blk: BlockBackend, offset: bigint, bytes: bigint): boolean {
  const isFar = offset > BigInt(Number.MAX_SAFE_INTEGER) || bytes > BigInt(Number.MAX_SAFE_INTEGER);
  if (isFar) return true;
  if (bytes <= SMALL || blk.allowWriteBeyondEnd) return false;
  try {
    return offset + bytes > BigInt(blk.getLengthSync());
  } catch (error) {
    // The request will tell the same.
    if (error instanceof BlockError) return false;
    throw error;
  }
}

export interface Range {
  readonly offset: bigint;
  readonly bytes: bigint;
}

/** Runs a request on memory of its length, or gives the errno of one that cannot run. */
export function transfer(
  io: CommandEnvironment,
  blk: BlockBackend,
  { offset, bytes }: Range,
  body: (buffer: Buffer) => Promise<number>,
): Promise<number> {
  if (endsBehind(blk, offset, bytes)) return Promise.resolve(Errno.EIO);
  const buffer = memory(io, blk, bytes);
  return buffer === undefined ? Promise.resolve(Errno.ENOMEM) : outcomeOf(body(buffer));
}

/** Of a request with several buffers: each, and all together, as long as one request may be. */
export function readLengths(io: CommandEnvironment, words: readonly string[]): bigint[] {
  const say = (line: string): void => io.out(line);
  let total = 0n;
  return words.map((word) => {
    const bytes = readSize(io, word);
    if (bytes > MAX_BYTES) refuse(say, `Argument '${word}' exceeds maximum size ${MAX_BYTES}`);
    if (total > MAX_BYTES - bytes) {
      refuse(say, `The total number of bytes exceed the maximum size ${MAX_BYTES}`);
    }
    total += bytes;
    return bytes;
  });
}

/** The buffer cut into pieces of these lengths. */
export function pieces(buffer: Buffer, lengths: readonly bigint[]): Buffer[] {
  let at = 0;
  return lengths.map((bytes) => {
    const piece = buffer.subarray(at, at + Number(bytes));
    at += piece.length;
    return piece;
  });
}

/** Ends the command unless both are multiples of a sector. */
export function checkSectors(io: CommandEnvironment, offset: bigint, count: bigint): void {
  for (const [name, value] of Object.entries({ offset, count })) {
    if (value % SECTOR !== 0n) {
      refuse((line) => io.out(line), `${value} is not a sector-aligned value for '${name}'`);
    }
  }
}
