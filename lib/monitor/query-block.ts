// What drives there are and what is in them (QMP: query-block).

import type { BlockDeviceIoStatus } from '../backend/error-policy.js';
import { BlockBackend } from '../block-backend.js';
import type { BlockDirtyInfo } from '../graph/dirty-bitmaps.js';
import { filenameOf } from '../graph/filename.js';
import type { BlockNode } from '../graph/node.js';
import type { DetectZeroes } from '../graph/node-state.js';
import { type IoThrottleInfo, ioThrottleInfo } from './io-throttle.js';

/** QAPI: BlockdevCacheInfo. */
export interface BlockdevCacheInfo {
  /** The guest sees a write cache. */
  readonly writeback: boolean;
  readonly direct: boolean;
  readonly 'no-flush': boolean;
}

/** QAPI: ImageInfo. */
export interface ImageInfo {
  readonly filename: string;
  readonly format: string;
  /** In bytes. */
  readonly 'virtual-size': number;
}

/** A medium (QAPI: BlockDeviceInfo). */
export interface BlockDeviceInfo extends IoThrottleInfo {
  /** '' where there is none. */
  readonly file: string;
  readonly 'node-name': string;
  readonly ro: boolean;
  readonly drv: string;
  readonly encrypted: boolean;
  readonly detect_zeroes: DetectZeroes;
  /** In bytes; 0: none. */
  readonly write_threshold: number;
  readonly backing_file?: string;
  readonly backing_file_depth: number;
  readonly cache: BlockdevCacheInfo;
  readonly image: ImageInfo;
  /** Absent without any. */
  readonly 'dirty-bitmaps'?: readonly BlockDirtyInfo[];
}

/** A drive (QAPI: BlockInfo). */
export interface BlockInfo {
  /** Name of the backend; '' without one. */
  readonly device: string;
  /** Id of the device, else its path. */
  readonly qdev?: string;
  readonly type: 'unknown';
  readonly removable: boolean;
  readonly locked: boolean;
  /** Absent for an empty drive; there with an open tray. */
  readonly inserted?: BlockDeviceInfo;
  /** Absent without a tray. */
  readonly tray_open?: boolean;
  /** Absent unless the machine can stop on an error of this drive. */
  readonly 'io-status'?: BlockDeviceIoStatus;
}

/** Every backend with a name or a device, in order of creation. */
export function queryBlock(): BlockInfo[] {
  return BlockBackend.all()
    .filter(({ name, device }) => name !== '' || device !== undefined)
    .map(infoOf);
}

function infoOf(blk: BlockBackend): BlockInfo {
  const qdev = blk.attachedDeviceId;
  return Object.freeze({
    device: blk.name,
    ...(qdev === '' ? {} : { qdev }),
    type: 'unknown',
    removable: blk.isRemovable,
    locked: blk.isMediumLocked,
    ...(blk.root === undefined ? {} : { inserted: mediumOf(blk, blk.root) }),
    ...(blk.hasTray ? { tray_open: blk.isTrayOpen } : {}),
    ...(blk.iostatusIsEnabled ? { 'io-status': blk.iostatus } : {}),
  });
}

function mediumOf(blk: BlockBackend, node: BlockNode): BlockDeviceInfo {
  const { direct, noFlush, detectZeroes } = node.state;
  const { length, writeThreshold } = node.info();
  const backings = [...backingsOf(node)];
  const [backing] = backings;
  const file = filenameOf(node);
  const bitmaps = node.dirtyBitmaps.list();
  return Object.freeze({
    file,
    'node-name': node.name,
    ro: node.readOnly,
    drv: node.driver.name,
    encrypted: false,
    detect_zeroes: detectZeroes,
    write_threshold: writeThreshold,
    ...(backing === undefined ? {} : { backing_file: filenameOf(backing) }),
    backing_file_depth: backings.length,
    cache: Object.freeze({ writeback: blk.writeCache, direct, 'no-flush': noFlush }),
    image: Object.freeze({ filename: file, format: node.driver.name, 'virtual-size': length }),
    ...(bitmaps.length === 0 ? {} : { 'dirty-bitmaps': bitmaps }),
    ...ioThrottleInfo(blk),
  });
}

function* backingsOf(node: BlockNode): Generator<BlockNode> {
  for (let below = node.backing?.child; below !== undefined; below = below.backing?.child) {
    yield below;
  }
}
