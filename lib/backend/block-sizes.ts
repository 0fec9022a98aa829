// What a device says of its blocks (QEMU: blkconf_blocksizes, check_block_size).

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** What a disk says of its sectors, in bytes. */
export interface BlockSizes {
  readonly physical: number;
  readonly logical: number;
}

const SMALLEST = 512;
const LARGEST = 2 * 1024 * 1024;
/** The guest reads it as a 16-bit number of logical blocks. */
const MOST_IO_BLOCKS = 65_535;

/** A device's own options, in bytes; 0 and absent: as the medium has it, or as devices usually do. */
export interface BlockSizeConf {
  /** A power of two from 512 to 2 MiB; default what the medium says, or 512. */
  readonly logical_block_size?: number | undefined;
  /** The same, and not less than the logical one. */
  readonly physical_block_size?: number | undefined;
  /** A multiple of the logical block size, at most 65,535 of them. */
  readonly min_io_size?: number | undefined;
  readonly opt_io_size?: number | undefined;
  /** Default: the device decides. */
  readonly discard_granularity?: number | undefined;
}

/** All of them; `discard_granularity` only when it was given. */
export type DeviceBlockSizes = Required<Omit<BlockSizeConf, 'discard_granularity'>> &
  Pick<BlockSizeConf, 'discard_granularity'>;

function refusal(text: string): BlockError {
  return new BlockError(Errno.EINVAL, { operation: 'block sizes', text });
}

function checkNumber(name: keyof BlockSizeConf, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw refusal(`'${name}' must be a number of bytes, not ${String(value)}`);
}

/** @throws BlockError EINVAL for a size that no block has; 0 means that it is not set. */
function checkBlockSize(name: keyof BlockSizeConf, value: number): void {
  if (value === 0) return;
  if (value < SMALLEST || value > LARGEST) {
    throw refusal(`'${name}' must be between ${SMALLEST} and ${LARGEST}, not ${value}`);
  }
  if (!Number.isInteger(Math.log2(value))) {
    throw refusal(`'${name}' must be a power of 2, not ${value}`);
  }
}

/**
 * Completes a device's options with what the medium says of its blocks.
 *
 * @throws BlockError EINVAL for sizes that do not go together.
 */
export function completeBlockSizes(
  conf: BlockSizeConf,
  medium: BlockSizes | undefined,
): DeviceBlockSizes {
  const given = (name: keyof BlockSizeConf) => checkNumber(name, conf[name] ?? 0);
  for (const name of ['logical_block_size', 'physical_block_size'] as const) {
    checkBlockSize(name, given(name));
  }
  const logical = given('logical_block_size') || medium?.logical || SMALLEST;
  const physical = given('physical_block_size') || medium?.physical || SMALLEST;
  if (logical > physical) {
    throw refusal(`a logical_block_size of ${logical} exceeds the physical one of ${physical}`);
  }
  for (const name of ['min_io_size', 'opt_io_size', 'discard_granularity'] as const) {
    if (given(name) % logical === 0) continue;
    throw refusal(`'${name}' must be a multiple of the logical_block_size ${logical}`);
  }
  if (given('min_io_size') / logical > MOST_IO_BLOCKS) {
    throw refusal(`'min_io_size' must not exceed ${MOST_IO_BLOCKS} logical blocks`);
  }
  return {
    logical_block_size: logical,
    physical_block_size: physical,
    min_io_size: given('min_io_size'),
    opt_io_size: given('opt_io_size'),
    discard_granularity: conf.discard_granularity,
  };
}
