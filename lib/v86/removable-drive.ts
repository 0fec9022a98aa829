// A drive of a v86 machine whose medium changes, as the device of a backend: what the media commands
// move.

import type { BlockBackend } from '../block-backend.js';
import type { BlockDevOps } from '../graph/device-ops.js';
import { IdeDisk } from './ide-disk.js';

/** What the adapter does to the machine's drive. */
export interface DriveActions {
  /** Bytes. */
  readonly sectorSize: number;
  /** What is in the drive, as the machine has it. */
  medium(): object | null | undefined;
  /** Throws for a medium that the drive does not take. */
  insert(disk: IdeDisk): void;
  eject(): void;
}

/**
 * v86 has no tray apart from the medium, and ignores the guest's lock: nothing is ever locked. When
 * the guest itself ejects, the tray counts as open from then on, and no event tells of it.
 */
export class RemovableDrive {
  readonly #blk: BlockBackend;
  readonly #actions: DriveActions;
  #disk: IdeDisk | undefined;
  #open = false;

  /** @internal */
  protected constructor(blk: BlockBackend, actions: DriveActions) {
    this.#blk = blk;
    this.#actions = actions;
  }

  /** The drive has no medium in it that it could read, and can be given one. */
  get isTrayOpen(): boolean {
    return this.#open || (this.#disk !== undefined && !this.#actions.medium());
  }

  /** Tries held requests again, in their order. */
  resume(): void {
    this.#disk?.resume();
  }

  /** Takes the medium out of the machine, and gives the backend back. */
  async detach(): Promise<void> {
    this.#unload();
    await this.#blk.detachDevice(this);
  }

  /** @internal Attaches it to the backend, and puts in what the backend has. */
  protected async attach(id: string): Promise<this> {
    this.#blk.attachDevice(this, id);
    this.#blk.setDeviceOps(this.#ops());
    try {
      await this.#load();
    } catch (error) {
      await this.#blk.detachDevice(this);
      throw error;
    }
    return this;
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
    const disk = await IdeDisk.open(this.#blk, { sectorSize: this.#actions.sectorSize });
    this.#actions.insert(disk);
    this.#disk = disk;
  }

  #unload(): void {
    this.#actions.eject();
    this.#disk?.close();
    this.#disk = undefined;
  }
}
