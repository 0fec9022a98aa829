import { Permission } from '../aio/protocol.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import { permissionNames } from '../graph/permissions.js';
import { BackendPermissions } from './permissions.js';

/** Options with which an old interface opened a drive (QEMU: DriveInfo); the VMM's own. */
export type LegacyDriveInfo = Readonly<Record<string, unknown>>;

const ALL = permissionNames(Permission.all);

/** Who uses the backend: a device model, known by an id and a path, and old interfaces. */
export abstract class BackendDevice extends BackendPermissions {
  #legacyDriveInfo: LegacyDriveInfo | undefined;

  /** What an error calls it: its name, its device, or that it has neither. */
  describe(): string {
    return this.graphRoot.describe();
  }

  /**
   * A device model takes the backend and holds it, as by a reference, until it is detached. While a
   * migration comes in, permissions are only remembered from now on. (blk_attach_dev)
   *
   * @param id for names in errors and byDeviceId(); '' for none.
   * @param path of the device in the machine, which finds it, too; '' for none.
   * @throws BlockError EBUSY when there is a device.
   */
  attachDevice(device: object, id = '', path = ''): void {
    const root = this.graphRoot;
    if (root.device !== undefined) {
      const text = `${this.describe()} has a device already`;
      throw new BlockError(Errno.EBUSY, { operation: 'attach device', text });
    }
    root.device = device;
    root.deviceId = id;
    root.devicePath = path;
    root.references += 1;
    this.deviceChanged(true);
    if (graph().runState.isIncoming) root.permissionsDisabled = true;
  }

  /**
   * The device lets go of the backend, which may have been its last user. From this call on there is
   * no device; the promise resolves when its permissions have been given up. (blk_detach_dev)
   *
   * @throws (rejects) BlockUsageError for a device that is not attached.
   */
  async detachDevice(device: object): Promise<void> {
    if (this.device !== device) throw new BlockUsageError('that device is not attached');
    const root = this.graphRoot;
    root.letDeviceGo();
    this.deviceChanged(false);
    root.letGo();
    try {
      if (root.references > 0) await this.setPermissions([], ALL);
    } catch (error) {
      // The end of a backend, which may have come meanwhile, gives up everything by itself.
      if (root.references > 0) throw error;
    }
  }

  /** @internal A device came (true) or went. */
  protected deviceChanged(_attached: boolean): void {}

  /** The device model on this backend. (blk_get_attached_dev) */
  get device(): object | undefined {
    return this.graphRoot.device as object | undefined;
  }

  /** The id that {@link attachDevice} was given; '' without one or without a device. */
  get deviceId(): string {
    return this.graphRoot.deviceId;
  }

  /** The path that {@link attachDevice} was given; '' without one or without a device. */
  get devicePath(): string {
    return this.graphRoot.devicePath;
  }

  /**
   * The device's id, else its path; '' without either or without a device.
   * (blk_get_attached_dev_id)
   */
  get attachedDeviceId(): string {
    return this.graphRoot.attachedId;
  }

  /** What an old interface opened it with; set once. (blk_set_legacy_dinfo) */
  get legacyDriveInfo(): LegacyDriveInfo | undefined {
    return this.#legacyDriveInfo;
  }

  /**
   * Once only, for {@link legacyDriveInfo}. (blk_set_legacy_dinfo)
   *
   * @throws BlockUsageError the second time.
   */
  setLegacyDriveInfo(info: LegacyDriveInfo): void {
    if (this.#legacyDriveInfo !== undefined) {
      throw new BlockUsageError(`${this.describe()} has legacy drive info already`);
    }
    this.#legacyDriveInfo = info;
  }
}
