// What a virtio-blk device says of itself (VIRTIO 1.2, 5.2.4).

import type { VirtioField } from './machine.js';

export const SECTOR = 512;
export const QUEUE_SIZE = 128;
/** Of one request. Two descriptors are the header and the status. */
export const MAX_SEGMENTS = QUEUE_SIZE - 2;
export const MAX_DATA_BYTES = 32 * 1024 * 1024;
/** Of one discard or zero-write, as the backend takes less than 2 GiB at once. */
export const MAX_RANGE_SECTORS = (1024 * 1024 * 1024) / SECTOR;

interface Switch {
  readonly get: () => boolean;
  readonly set: (on: boolean) => void;
}

const nothing = () => {};
const constant = (name: string, bytes: number, value: number): VirtioField => ({
  bytes,
  name,
  read: () => value,
  write: nothing,
});

/** The fields in their order, which is their layout. `bytes` is the length of the disk. */
export function blockConfig(bytes: number, writeback: Switch): VirtioField[] {
  const sectors = Math.floor(bytes / SECTOR);
  return [
    constant('capacity (low)', 4, (sectors % 2 ** 32) | 0),
    constant('capacity (high)', 4, Math.floor(sectors / 2 ** 32)),
    constant('size_max', 4, 0),
    constant('seg_max', 4, MAX_SEGMENTS),
    constant('cylinders', 2, 0),
    constant('heads', 1, 0),
    constant('sectors', 1, 0),
    constant('blk_size', 4, SECTOR),
    constant('physical_block_exp', 1, 0),
    constant('alignment_offset', 1, 0),
    constant('min_io_size', 2, 0),
    constant('opt_io_size', 4, 0),
    {
      bytes: 1,
      name: 'writeback',
      read: () => Number(writeback.get()),
      write: (value) => writeback.set(value !== 0),
    },
    constant('unused', 1, 0),
    constant('num_queues', 2, 1),
    constant('max_discard_sectors', 4, MAX_RANGE_SECTORS),
    constant('max_discard_seg', 4, 1),
    constant('discard_sector_alignment', 4, 1),
    constant('max_write_zeroes_sectors', 4, MAX_RANGE_SECTORS),
    constant('max_write_zeroes_seg', 4, 1),
    constant('write_zeroes_may_unmap', 1, 1),
  ];
}
