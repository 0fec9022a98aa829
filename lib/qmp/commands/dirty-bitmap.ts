// Watching what is changed.

import {
  blockDirtyBitmapAdd,
  blockDirtyBitmapClear,
  blockDirtyBitmapDisable,
  blockDirtyBitmapEnable,
  blockDirtyBitmapMerge,
  blockDirtyBitmapRemove,
} from '../../monitor/dirty-bitmap.js';
import { command } from '../command.js';
import { QmpError } from '../errors.js';
import { alternate, array, bool, object, optional, str, uint32 } from '../schema/type.js';

const bitmap = { node: str, name: str } as const;

interface External {
  readonly node: string;
  readonly name: string;
}

const source = alternate<string | External>('BlockDirtyBitmapOrStr', () => [
  str,
  object('BlockDirtyBitmap', bitmap),
]);

function localName(of: string | External, node: string): string {
  if (typeof of === 'string') return of;
  if (of.node === node) return of.name;
  throw new QmpError(`the bitmap '${of.name}' is of another node than '${node}'`);
}

export const dirtyBitmapCommands = [
  command(
    'block-dirty-bitmap-add',
    {
      ...bitmap,
      granularity: optional(uint32),
      persistent: optional(bool),
      disabled: optional(bool),
    },
    { doc: 'Notes from now on which parts of a node are written.', run: blockDirtyBitmapAdd },
  ),
  command('block-dirty-bitmap-remove', bitmap, {
    doc: 'Forgets a bitmap.',
    run: blockDirtyBitmapRemove,
  }),
  command('block-dirty-bitmap-clear', bitmap, {
    doc: 'Takes all of the node for clean.',
    run: blockDirtyBitmapClear,
  }),
  command('block-dirty-bitmap-enable', bitmap, {
    doc: 'Goes on noting what is written.',
    run: blockDirtyBitmapEnable,
  }),
  command('block-dirty-bitmap-disable', bitmap, {
    doc: 'Keeps what was noted and notes no more.',
    run: blockDirtyBitmapDisable,
  }),
  command(
    'block-dirty-bitmap-merge',
    { node: str, target: str, bitmaps: array(source) },
    {
      doc: 'What is dirty in one of the bitmaps becomes dirty in the target.',
      run: ({ node, target, bitmaps }) =>
        blockDirtyBitmapMerge({ node, target, bitmaps: bitmaps.map((of) => localName(of, node)) }),
    },
  ),
];
