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
import { bitmapMembers, bitmapName, localBitmap } from '../schema/bitmap.js';
import { array, bool, optional, str, uint32 } from '../schema/type.js';

export const dirtyBitmapCommands = [
  command(
    'block-dirty-bitmap-add',
    {
      ...bitmapMembers,
      granularity: optional(uint32),
      persistent: optional(bool),
      disabled: optional(bool),
    },
    { doc: 'Notes from now on which parts of a node are written.', run: blockDirtyBitmapAdd },
  ),
  command('block-dirty-bitmap-remove', bitmapMembers, {
    doc: 'Forgets a bitmap.',
    run: blockDirtyBitmapRemove,
  }),
  command('block-dirty-bitmap-clear', bitmapMembers, {
    doc: 'Takes all of the node for clean.',
    run: blockDirtyBitmapClear,
  }),
  command('block-dirty-bitmap-enable', bitmapMembers, {
    doc: 'Goes on noting what is written.',
    run: blockDirtyBitmapEnable,
  }),
  command('block-dirty-bitmap-disable', bitmapMembers, {
    doc: 'Keeps what was noted and notes no more.',
    run: blockDirtyBitmapDisable,
  }),
  command(
    'block-dirty-bitmap-merge',
    { node: str, target: str, bitmaps: array(bitmapName) },
    {
      doc: 'What is dirty in one of the bitmaps becomes dirty in the target.',
      run: ({ node, target, bitmaps }) =>
        blockDirtyBitmapMerge({
          node,
          target,
          bitmaps: bitmaps.map((of) => localBitmap(of, node)),
        }),
    },
  ),
];
