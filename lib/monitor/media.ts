// Changing the medium of a drive under a running machine (QMP: blockdev-open-tray, -close-tray,
// -remove-medium, -insert-medium, -change-medium, eject; block/qapi-sysemu.c).

import type { BlockBackend } from '../block-backend.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { backendOf, type DeviceArgument } from './device-argument.js';
import { type MediumOptions, withMedium } from './medium-image.js';

/** QMP: blockdev-open-tray, eject. */
export interface OpenTrayArguments extends DeviceArgument {
  /** The guest is not asked but told. Default false. */
  readonly force?: boolean | undefined;
}

/** QMP: blockdev-insert-medium. */
export interface InsertMediumArguments extends DeviceArgument {
  readonly 'node-name': string;
}

/** QMP: blockdev-change-medium. */
export interface ChangeMediumArguments extends OpenTrayArguments, MediumOptions {}

/** What became of the wish to open a tray. */
type Opening = 'open' | 'no tray' | 'locked';

/** Commands on one drive run one after the other: each is several changes (see architecture.md). */
const queues = new WeakMap<BlockBackend, Promise<unknown>>();

function inTurn<T>(blk: BlockBackend, command: () => Promise<T>): Promise<T> {
  const result = (queues.get(blk) ?? Promise.resolve()).then(command);
  queues.set(
    blk,
    result.catch(() => {}),
  );
  return result;
}

/** Finds the backend, and runs `body` on it when earlier commands are done. */
async function command(
  operation: string,
  request: DeviceArgument,
  body: (blk: BlockBackend, media: Media) => Promise<void>,
): Promise<void> {
  if (typeof request !== 'object' || request === null) {
    throw invalidArgumentType('request', 'an object', request);
  }
  const { force } = request as OpenTrayArguments;
  if (force !== undefined && typeof force !== 'boolean') {
    throw invalidArgumentType('force', 'of type boolean', force);
  }
  const blk = backendOf(request, operation);
  await inTurn(blk, () => body(blk, new Media(blk, operation)));
}

/** The steps that the commands are made of. */
class Media {
  readonly #blk: BlockBackend;
  readonly #operation: string;

  constructor(blk: BlockBackend, operation: string) {
    this.#blk = blk;
    this.#operation = operation;
  }

  /** @throws BlockError ENOTSUP unless media can be changed. */
  async openTray(force = false): Promise<Opening> {
    const blk = this.#blk;
    this.#checkRemovable();
    if (!blk.hasTray) return 'no tray';
    if (blk.isTrayOpen) return 'open';
    // As it was: a guest that unlocks when it is asked opens the tray itself (MED-7).
    const locked = blk.isMediumLocked;
    if (locked) blk.ejectRequest(force);
    if (locked && !force) return 'locked';
    await blk.changeMedia(false);
    return 'open';
  }

  /** Like openTray(). @throws BlockError EINPROGRESS when the guest was only asked. */
  async openTrayNow(force = false): Promise<void> {
    if ((await this.openTray(force)) !== 'locked') return;
    throw this.#failure(
      Errno.EINPROGRESS,
      `${this.#blk.describe()} is locked; wait for its tray to open, or use force`,
    );
  }

  async closeTray(): Promise<void> {
    const blk = this.#blk;
    this.#checkRemovable();
    if (blk.hasTray && blk.isTrayOpen) await blk.changeMedia(true);
  }

  async remove(): Promise<void> {
    const blk = this.#blk;
    this.#checkReachable();
    if (blk.root === undefined) return;
    const blocked = blk.opBlocked('eject');
    if (blocked !== undefined) throw this.#failure(Errno.EBUSY, blocked);
    await blk.remove();
    if (!blk.hasTray) await blk.changeMedia(false);
  }

  async insert(node: BlockNode): Promise<void> {
    const blk = this.#blk;
    this.#checkReachable();
    if (blk.root !== undefined) {
      throw this.#failure(Errno.EBUSY, `${blk.describe()} has a medium`);
    }
    await blk.insert(node);
    if (blk.hasTray) return;
    try {
      await blk.changeMedia(true);
    } catch (error) {
      await blk.remove();
      throw error;
    }
  }

  /** The node for a drive; no other drive may have it. */
  freeNode(name: unknown): BlockNode {
    const node = typeof name === 'string' ? graph().names.node(name) : undefined;
    if (node === undefined) {
      throw this.#failure(Errno.ENOENT, `cannot find a node named '${String(name)}'`);
    }
    if (node.hasBackend) throw this.#failure(Errno.EBUSY, `node '${node.name}' is in use`);
    return node;
  }

  #checkRemovable(): void {
    const blk = this.#blk;
    if (blk.isRemovable) return;
    throw this.#failure(Errno.ENOTSUP, `${blk.describe()} is not removable`);
  }

  /** Without a device nothing is in the way. */
  #checkReachable(): void {
    const blk = this.#blk;
    if (blk.device === undefined) return;
    this.#checkRemovable();
    if (!blk.hasTray || blk.isTrayOpen) return;
    throw this.#failure(Errno.EBUSY, `the tray of ${blk.describe()} is not open`);
  }

  #failure(errno: number, text: string): BlockError {
    const device = this.#blk.name;
    return new BlockError(errno, { operation: this.#operation, device, text });
  }
}

/**
 * Opens the tray; success also where there is none, where it is open already, and where the guest
 * has locked it: then it was asked, and DEVICE_TRAY_MOVED tells when it gives in. (QMP:
 * blockdev-open-tray)
 *
 * @throws (rejects) BlockError ENOTSUP: media cannot be changed; EINVAL, ENODEV: no such device.
 */
export function blockdevOpenTray(request: OpenTrayArguments): Promise<void> {
  return command('blockdev-open-tray', request, async (_blk, media) => {
    await media.openTray(request.force);
  });
}

/**
 * Closes the tray on what is in it. (QMP: blockdev-close-tray)
 *
 * @throws (rejects) like {@link blockdevOpenTray}, and what the device throws at the load.
 */
export function blockdevCloseTray(request: DeviceArgument): Promise<void> {
  return command('blockdev-close-tray', request, async (_blk, media) => media.closeTray());
}

/**
 * Takes the medium out of an open tray, or of a device without one. Requests under way are waited
 * for. An empty drive stays empty. (QMP: blockdev-remove-medium)
 *
 * @throws (rejects) BlockError ENOTSUP: media cannot be changed; EBUSY: the tray is closed, or the
 * operation is blocked; EINVAL, ENODEV: no such device.
 */
export function blockdevRemoveMedium(request: DeviceArgument): Promise<void> {
  return command('blockdev-remove-medium', request, (_blk, media) => media.remove());
}

/**
 * Puts a node into an open tray, or into a device without one. (QMP: blockdev-insert-medium)
 *
 * @throws (rejects) BlockError, the first that holds: ENOENT: no such node; EBUSY: another drive
 * has it; ENOTSUP: media cannot be changed; EBUSY: the tray is closed, or there is a medium; EPERM:
 * permissions; and what a device without a tray throws at the load: the drive is empty then.
 */
export function blockdevInsertMedium(request: InsertMediumArguments): Promise<void> {
  return command('blockdev-insert-medium', request, (_blk, media) =>
    media.insert(media.freeNode(request['node-name'])),
  );
}

/**
 * Opens an image, and only then opens the tray, takes the medium out, puts the image in and closes
 * the tray. The image is opened as the last medium was: cache, discard, detect-zeroes, and read-only
 * as `read-only-mode` says. Name, limits, statistics and error policy stay. (QMP:
 * blockdev-change-medium)
 *
 * @throws (rejects) what opening the image gives: nothing has happened then; and what
 * {@link eject}, {@link blockdevInsertMedium} and {@link blockdevCloseTray} give.
 */
export function blockdevChangeMedium(request: ChangeMediumArguments): Promise<void> {
  return command('blockdev-change-medium', request, (blk, media) =>
    withMedium(blk, request, async (node) => {
      await media.openTrayNow(request.force);
      await media.remove();
      await media.insert(node);
      await media.closeTray();
    }),
  );
}

/**
 * Opens the tray and takes the medium out. (QMP: eject)
 *
 * @throws (rejects) BlockError EINPROGRESS: the guest has locked the medium, and was asked for it;
 * and what {@link blockdevOpenTray} and {@link blockdevRemoveMedium} give.
 */
export function eject(request: OpenTrayArguments): Promise<void> {
  return command('eject', request, async (_blk, media) => {
    await media.openTrayNow(request.force);
    await media.remove();
  });
}
