// The CD-ROM drive of a v86 machine as the device of a backend: what the media commands move.

import type { BlockBackend } from '../block-backend.js';
import { BlockUsageError } from '../errors/block-error.js';
import type { BlockDevOps } from '../graph/device-ops.js';
import { IdeDisk } from './ide-disk.js';
import { cdromOf, type V86Cdrom, type V86Emulator } from './machine.js';

const SECTOR = 2048;

export interface CdRomOptions {
  /** How the media commands name the drive. Default 'ide1-cd0'. */
  readonly id?: string | undefined;
}

/**
 * `blockdevChangeMedium({ id: 'ide1-cd0', ... })`, `eject()` and the others change what is in the
 * drive, and the guest notices: it sees a medium that was changed. v86 has no tray apart from the
 * medium and ignores the guest's lock, so nothing is ever locked; when the guest itself ejects, the
 * tray counts as open from then on, and no event tells of it.
 */
export class CdRom {
  readonly #blk: BlockBackend;
  readonly #drive: V86Cdrom;
  #disk: IdeDisk | undefined;
  #open = false;

  private constructor(blk: BlockBackend, drive: V86Cdrom) {
    this.#blk = blk;
    this.#drive = drive;
  }

  /**
   * Attaches the drive to the backend, and puts in what the backend has. For a machine that has been
   * loaded (its event 'emulator-loaded').
   *
   * @throws (rejects) BlockUsageError for a machine without the drive; BlockError EBUSY when the
   *   backend has a device, and whatever asking for the medium's length gives.
   */
  static async attach(
    emulator: V86Emulator,
    blk: BlockBackend,
    { id = 'ide1-cd0' }: CdRomOptions = {},
  ): Promise<CdRom> {
    const drive = cdromOf(emulator);
    if (drive === undefined) throw new BlockUsageError('the machine has no CD-ROM drive');
    const cdRom = new CdRom(blk, drive);
    blk.attachDevice(cdRom, id);
    blk.setDeviceOps(cdRom.#ops());
    try {
      await cdRom.#load();
    } catch (error) {
      await blk.detachDevice(cdRom);
      throw error;
    }
    return cdRom;
  }

  /** Takes the medium out of the machine, and gives the backend back. */
  async detach(): Promise<void> {
    this.#unload();
    await this.#blk.detachDevice(this);
  }

  /** Tries held requests again, in their order. */
  resume(): void {
    this.#disk?.resume();
  }

  get isTrayOpen(): boolean {
    return this.#open || (this.#disk !== undefined && !this.#drive.buffer);
  }

  #ops(): BlockDevOps {
    return {
      changeMedia: (load) => (load ? this.#closeTray() : this.#openTray()),
      isTrayOpen: () => this.isTrayOpen,
    };
  }

  #openTray(): void {
    this.#unload();
    this.#open = true;
  }

  async #closeTray(): Promise<void> {
    this.#unload();
    this.#open = false;
    try {
      // Until the caller has its promise, requests find the tray open and no medium in it.
      await Promise.resolve();
      await this.#load();
    } catch (error) {
      this.#open = true;
      throw error;
    }
  }

  async #load(): Promise<void> {
    if (this.#blk.root === undefined) return;
    this.#disk = await IdeDisk.open(this.#blk, { sectorSize: SECTOR });
    this.#drive.set_cdrom(this.#disk);
  }

  #unload(): void {
    this.#drive.eject();
    this.#disk?.close();
    this.#disk = undefined;
  }
}
