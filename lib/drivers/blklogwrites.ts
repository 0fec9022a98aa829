import { ChildRole } from '../aio/protocol.js';
import type { DriverDefinition } from '../graph/driver-definition.js';
import type { BlockNode } from '../graph/node.js';
import { controlOf } from './node-control.js';

/**
 * A filter that writes down in `log` what was written to `file`, in the format of the kernel's
 * dm-log-writes (block/blklogwrites.c). See {@link WriteLog} for reading and replaying it.
 *
 * | option                    | what                                                             |
 * |---------------------------|------------------------------------------------------------------|
 * | log-append                | goes on behind the entries of the log; default: a new log        |
 * | log-sector-size           | bytes, a power of two from 32 to 2^23, the alignment of all      |
 * |                           | requests; default 512; with log-append that of the log           |
 * | log-super-update-interval | entries after which the log is made durable, if no flush comes   |
 * |                           | before; at least 1, default 4096                                 |
 */
export const blklogwrites: DriverDefinition = {
  name: 'blklogwrites',
  options: [
    { name: 'log-append', type: 'boolean', default: false, strong: true },
    { name: 'log-sector-size', type: 'integer', strong: true },
    { name: 'log-super-update-interval', type: 'integer', default: 4096, strong: true },
  ],
  reopens: ['log-super-update-interval'],
  children: [
    { name: 'file', required: true, role: () => ChildRole.filtered | ChildRole.primary },
    { name: 'log', required: true, role: () => ChildRole.metadata },
  ],
  check: (options) =>
    options['log-append'] === true && options['log-sector-size'] !== undefined
      ? "'log-sector-size' cannot be given with log-append: the log has one"
      : undefined,
};

/** What a blklogwrites node has written. */
export interface WriteLogState {
  /** Entries that are in the log, those of before included. */
  readonly entries: number;
  /** Bytes. */
  readonly sectorSize: number;
}

/**
 * How far the log of a blklogwrites node has got.
 *
 * @throws BlockError EINVAL when the node is no blklogwrites, ENOMEDIUM when it is closed.
 */
export function writeLogState(node: BlockNode | string): WriteLogState {
  const control = controlOf(node, blklogwrites.name);
  return Object.freeze({
    entries: control.ask('entries'),
    sectorSize: control.ask('sector-size'),
  });
}
