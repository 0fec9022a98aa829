// Commands on nodes.

import {
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  blockdevSnapshot,
  xBlockdevChange,
} from '../../monitor/blockdev.js';
import { blockResize } from '../../monitor/resize.js';
import { xBlockdevSetIothread } from '../../monitor/set-iothread.js';
import { blockSetWriteThreshold } from '../../monitor/write-threshold.js';
import { command } from '../command.js';
import { blockdevOptions } from '../schema/blockdev.js';
import { alternate, array, bool, int64, nothing, optional, str, uint64 } from '../schema/type.js';

const strOrNull = alternate<string | null>('StrOrNull', () => [str, nothing]);

export const blockdevCommands = [
  command('blockdev-add', blockdevOptions, {
    doc: 'Opens a node, which lives until blockdev-del.',
    async run(options) {
      await blockdevAdd(options);
    },
  }),
  command(
    'blockdev-del',
    { 'node-name': str },
    {
      doc: 'Closes a node that blockdev-add has opened and that nobody uses.',
      run: ({ 'node-name': name }) => blockdevDel(name),
    },
  ),
  command(
    'blockdev-reopen',
    { options: array(blockdevOptions) },
    {
      doc: 'Gives open nodes other options, all of them or none. What is not given gets its default.',
      run: ({ options }) => blockdevReopen(options),
    },
  ),
  command(
    'blockdev-snapshot',
    { node: str, overlay: str },
    {
      doc: 'Puts a node that nobody uses on top of another one, whose users see it from then on.',
      run: (request) => blockdevSnapshot(request),
    },
  ),
  command(
    'x-blockdev-change',
    { parent: str, child: optional(str), node: optional(str) },
    {
      doc: 'Adds a child to a node or takes one away, where its driver can.',
      run: ({ parent, child, node }) =>
        xBlockdevChange({
          parent,
          ...(child === undefined ? {} : { child }),
          ...(node === undefined ? {} : { node }),
        }),
    },
  ),
  command(
    'x-blockdev-set-iothread',
    { 'node-name': str, iothread: strOrNull, force: optional(bool) },
    {
      doc: 'Moves a node, and all that hangs together with it, into an IOThread, or with null out of it.',
      run: ({ force, ...request }) => xBlockdevSetIothread(request, { force }),
    },
  ),
  command(
    'block_resize',
    { device: optional(str), 'node-name': optional(str), size: int64 },
    {
      doc: 'Resizes a node, or the medium of a drive, to `size` bytes.',
      run: (request) => blockResize(request),
    },
  ),
  command(
    'block-set-write-threshold',
    { 'node-name': str, 'write-threshold': uint64 },
    {
      doc: 'The first write that ends beyond so many bytes is told of by BLOCK_WRITE_THRESHOLD; 0: none.',
      run: blockSetWriteThreshold,
    },
  ),
];
