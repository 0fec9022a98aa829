// Watching what is changed (QMP: block-dirty-bitmap-*).

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { DirtyBitmapSettings } from '../graph/dirty-bitmaps.js';
import { lookupNode } from '../graph/lookup.js';

/** QAPI: BlockDirtyBitmap. */
export interface BlockDirtyBitmap {
  /** Name of the node, or of the drive whose medium it is. */
  readonly node: string;
  readonly name: string;
}

/** QAPI: BlockDirtyBitmapAdd. */
export interface BlockDirtyBitmapAdd extends BlockDirtyBitmap, DirtyBitmapSettings {
  /** Only false: no format here can keep it in the image. */
  readonly persistent?: boolean | undefined;
}

/** QAPI: BlockDirtyBitmapMerge, within one node. */
export interface BlockDirtyBitmapMerge {
  readonly node: string;
  readonly target: string;
  readonly bitmaps: readonly string[];
}

/**
 * Makes a bitmap that notes what is changed from now on. (QMP: block-dirty-bitmap-add) @throws BlockError ENOENT without such a node; ENOTSUP for a persistent one; and as
 *   {@link DirtyBitmaps.add}.
 */
export function blockDirtyBitmapAdd({
  node,
  name,
  persistent,
  ...settings
}: BlockDirtyBitmapAdd): void {
  const found = lookupNode(node, node);
  if (persistent === true) {
    const text = `the driver '${found.driver.name}' cannot keep bitmaps in its images`;
    throw new BlockError(Errno.ENOTSUP, { operation: 'dirty bitmap', node: found.name, text });
  }
  found.dirtyBitmaps.add(name, settings);
}

/**
 * Forgets a bitmap. (QMP: block-dirty-bitmap-remove)
 *
 * @throws BlockError ENOENT without such a node or bitmap, like those below.
 */
export function blockDirtyBitmapRemove({ node, name }: BlockDirtyBitmap): void {
  lookupNode(node, node).dirtyBitmaps.remove(name);
}

/** Nothing is dirty any more. (QMP: block-dirty-bitmap-clear) */
export function blockDirtyBitmapClear({ node, name }: BlockDirtyBitmap): void {
  lookupNode(node, node).dirtyBitmaps.clear(name);
}

/** From now on it notes what is changed. (QMP: block-dirty-bitmap-enable) */
export function blockDirtyBitmapEnable({ node, name }: BlockDirtyBitmap): void {
  lookupNode(node, node).dirtyBitmaps.enable(name);
}

/** It keeps what it has, and notes nothing more. (QMP: block-dirty-bitmap-disable) */
export function blockDirtyBitmapDisable({ node, name }: BlockDirtyBitmap): void {
  lookupNode(node, node).dirtyBitmaps.disable(name);
}

/**
 * What is dirty in one of `bitmaps` is dirty in `target` as well. (QMP: block-dirty-bitmap-merge)
 */
export function blockDirtyBitmapMerge({ node, target, bitmaps }: BlockDirtyBitmapMerge): void {
  lookupNode(node, node).dirtyBitmaps.merge(target, bitmaps);
}
