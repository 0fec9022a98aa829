import { BlockUsageError } from '../errors/block-error.js';
import { emitBlockEvent } from '../graph/block-events.js';
import type { BlockDevOps } from '../graph/device-ops.js';
import { callForeign } from '../graph/notifiers.js';
import { BackendDrain } from './drain.js';

/** The tray of a device, and the medium as its device sees it. */
export abstract class BackendTray extends BackendDrain {
  /**
   * What the device on this backend answers and is told. In a drained section its drainedBegin() is
   * called at once. (blk_set_dev_ops)
   */
  setDeviceOps(ops: BlockDevOps | undefined): void {
    this.graphRoot.setDeviceOps(ops);
    this.kickDrain();
  }

  /** Media can be changed; without a device they always can. (blk_dev_has_removable_media) */
  get isRemovable(): boolean {
    return this.device === undefined || this.graphRoot.deviceOps?.changeMedia !== undefined;
  }

  /** The device has a tray that opens. (blk_dev_has_tray) */
  get hasTray(): boolean {
    return this.graphRoot.deviceOps?.isTrayOpen !== undefined;
  }

  /** False without a tray. Requests fail with ENOMEDIUM while it is open. (blk_dev_is_tray_open) */
  get isTrayOpen(): boolean {
    return this.graphRoot.isTrayOpen;
  }

  /** The guest does not let the medium go. (blk_dev_is_medium_locked) */
  get isMediumLocked(): boolean {
    const ops = this.graphRoot.deviceOps;
    return callForeign(() => ops?.isMediumLocked?.() === true, false);
  }

  /**
   * Asks the guest for the medium, or with `force` tells it that the medium goes. Nothing without a
   * device that can be asked. (blk_dev_eject_request)
   */
  ejectRequest(force: boolean): void {
    const ops = this.graphRoot.deviceOps;
    callForeign(() => ops?.ejectRequest?.(force), undefined);
  }

  /**
   * Tells the device that there is a medium now, or that there is none, which moves its tray. Sends
   * DEVICE_TRAY_MOVED when it did; before this returns if the device need not wait for anything.
   * (blk_dev_change_media_cb)
   *
   * @throws (rejects) what the device throws at a load. BlockUsageError when it refuses the other:
   * it cannot.
   */
  async changeMedia(load: boolean): Promise<void> {
    const root = this.graphRoot;
    const ops = root.deviceOps;
    if (ops?.changeMedia === undefined) return;
    const wasOpen = root.isTrayOpen;
    try {
      const changing = ops.changeMedia(load);
      // A device that closed its tray may want to look at the medium before it has done.
      root.refreshTray();
      if (changing !== undefined) await changing;
    } catch (cause) {
      if (load) throw cause;
      throw new BlockUsageError(`${this.describe()}: its device cannot refuse this`, { cause });
    } finally {
      root.refreshTray();
    }
    const isOpen = root.isTrayOpen;
    if (isOpen !== wasOpen) this.#trayMoved(isOpen);
  }

  /**
   * The guest opened or closed the tray: the device model calls it once it did so. Tells the driver
   * of the medium, and always sends DEVICE_TRAY_MOVED. (blk_eject)
   */
  eject(open: boolean): void {
    this.graphRoot.refreshTray();
    const { root } = this;
    root?.driver.eject?.(root, open);
    this.#trayMoved(open);
  }

  /** The guest locks the medium in, or unlocks it: tells the driver. (blk_lock_medium) */
  lockMedium(locked: boolean): void {
    const { root } = this;
    root?.driver.lockMedium?.(root, locked);
  }

  #trayMoved(open: boolean): void {
    const { deviceName: device, attachedId: id } = this.graphRoot;
    emitBlockEvent('DEVICE_TRAY_MOVED', Object.freeze({ device, id, 'tray-open': open }));
  }
}
