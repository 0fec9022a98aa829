// What drives there are and what is in them (QMP: query-block).

import type { BlockDeviceIoStatus } from '../backend/error-policy.js';
import { BlockBackend } from '../block-backend.js';
import type { BlockNode } from '../graph/node.js';
import { skipImplicitFilters } from '../graph/surgery.js';
import { withAllocatedSizes } from './allocated-sizes.js';
import { type BlockDeviceInfo, blockDeviceInfo } from './block-device-info.js';
import { chainOf, ImageView } from './image-info.js';

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

/**
 * Backends that users know: with a name or a device, in order of creation. Those of exports and jobs
 * are not among them.
 */
export function knownBackends(): BlockBackend[] {
  return BlockBackend.all().filter(({ name, device }) => name !== '' || device !== undefined);
}

/** The medium of a backend as users know it: below filters that they did not put there. */
export function mediumOf({ root }: BlockBackend): BlockNode | undefined {
  return root === undefined ? undefined : skipImplicitFilters(root);
}

/**
 * Every backend with a name or a device, in order of creation. It takes the time that the host needs
 * to tell how large the images are; all else is of the turn in which it resolves.
 * (QMP: query-block)
 */
export function queryBlock(): Promise<BlockInfo[]> {
  const images = (): BlockNode[] =>
    knownBackends().flatMap(({ root }) => (root === undefined ? [] : chainOf(root, true)));
  return withAllocatedSizes(images, (sizes) => {
    const view = new ImageView(sizes, { skipsImplicit: true });
    return knownBackends().map((blk) => infoOf(blk, view));
  });
}

function infoOf(blk: BlockBackend, view: ImageView): BlockInfo {
  const qdev = blk.attachedDeviceId;
  const medium = mediumOf(blk);
  return Object.freeze({
    device: blk.name,
    ...(qdev === '' ? {} : { qdev }),
    type: 'unknown',
    removable: blk.isRemovable,
    locked: blk.isMediumLocked,
    ...(medium === undefined ? {} : { inserted: blockDeviceInfo(medium, view, blk) }),
    ...(blk.hasTray ? { tray_open: blk.isTrayOpen } : {}),
    ...(blk.iostatusIsEnabled ? { 'io-status': blk.iostatus } : {}),
  });
}
