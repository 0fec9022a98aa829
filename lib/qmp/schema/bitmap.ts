// Dirty bitmaps as commands name them.

import { QmpError } from '../errors.js';
import { alternate, object, str } from './type.js';

/** The members of a bitmap's name in full. */
export const bitmapMembers = { node: str, name: str } as const;

interface BitmapOfNode {
  readonly node: string;
  readonly name: string;
}

export type BitmapName = string | BitmapOfNode;

/** By its name alone it is of the node that the command is about. */
export const bitmapName = alternate<BitmapName>('BlockDirtyBitmapOrStr', () => [
  str,
  object('BlockDirtyBitmap', bitmapMembers),
]);

/** @throws QmpError for a bitmap of another node. */
export function localBitmap(of: BitmapName, node: string): string {
  if (typeof of === 'string') return of;
  if (of.node === node) return of.name;
  throw new QmpError(`the bitmap '${of.name}' is of another node than '${node}'`);
}
