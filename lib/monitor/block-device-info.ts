// A medium, as all queries of drives and nodes show it (QAPI: BlockDeviceInfo).

import type { BlockBackend } from '../block-backend.js';
import type { BlockDirtyInfo } from '../graph/dirty-bitmaps.js';
import type { BlockNode } from '../graph/node.js';
import type { DetectZeroes } from '../graph/node-state.js';
import { chainOf, type ImageInfo, type ImageView, imageInfoOf } from './image-info.js';
import { type IoThrottleInfo, ioThrottleInfo, UNTHROTTLED } from './io-throttle.js';

/** QAPI: BlockdevCacheInfo. */
export interface BlockdevCacheInfo {
  /** The guest sees a write cache; always, where it is no guest's. */
  readonly writeback: boolean;
  /** Past the page cache of the host. */
  readonly direct: boolean;
  readonly 'no-flush': boolean;
}

/** A medium (QAPI: BlockDeviceInfo). */
export interface BlockDeviceInfo extends IoThrottleInfo {
  /** The name by which it can be opened again: a plain one where that is enough, else 'json:...'. */
  readonly file: string;
  readonly 'node-name': string;
  readonly ro: boolean;
  readonly drv: string;
  /** Name of the backing file; absent without one. */
  readonly backing_file?: string;
  /** How many images it stands on, filters counted. */
  readonly backing_file_depth: number;
  readonly encrypted: boolean;
  readonly detect_zeroes: DetectZeroes;
  readonly image: ImageInfo;
  readonly cache: BlockdevCacheInfo;
  /** In bytes; 0: none. */
  readonly write_threshold: number;
  /** Absent without any. */
  readonly 'dirty-bitmaps'?: readonly BlockDirtyInfo[];
}

/**
 * (bdrv_block_device_info)
 *
 * @param blk whose medium it is; a node that is asked about by itself is nobody's.
 */
export function blockDeviceInfo(
  node: BlockNode,
  view: ImageView,
  blk?: BlockBackend,
): BlockDeviceInfo {
  const { names } = view;
  const { direct, noFlush, detectZeroes } = node.state;
  const backing = node.backing?.child;
  const chain = view.flat ? [node] : chainOf(node, view.skipsImplicit);
  // Newest first, as QEMU has them.
  const bitmaps = node.dirtyBitmaps.list().reverse();
  return Object.freeze({
    file: names.of(node),
    'node-name': node.name,
    ro: node.readOnly,
    drv: node.driver.name,
    ...(backing === undefined ? {} : { backing_file: names.of(backing) }),
    backing_file_depth: chain.length - 1,
    encrypted: false,
    detect_zeroes: detectZeroes,
    ...(blk === undefined ? UNTHROTTLED : ioThrottleInfo(blk)),
    image: imageInfoOf(chain, view),
    cache: Object.freeze({
      writeback: blk?.writeCache ?? true,
      direct,
      'no-flush': noFlush,
    }),
    write_threshold: node.info().writeThreshold,
    ...(bitmaps.length === 0 ? {} : { 'dirty-bitmaps': Object.freeze(bitmaps) }),
  });
}
