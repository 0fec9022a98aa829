// A drive with two media, as a device model holds one: what is in it, what it must hold, and what may
// go wrong with it right now.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockBackend, blockdevAdd, blockdevDel } from '../../dist/index.mjs';
import { BLOCK, Medium } from './model.mjs';

/** What the operator of a machine sees of a drive that has a tray. */
class Tray {
  open = false;
}

/** Again while somebody uses it; who waits for it sees to it that this has an end. */
export async function patiently(body) {
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (error.code !== 'EBUSY') throw error;
      await sleep(2);
    }
  }
}

/** An image with its two nodes, which live as long as the drive, and what it must hold. */
class MediumImage {
  constructor(drive, index) {
    this.name = `${drive.name}m${index}`;
    this.fileName = `${this.name}f`;
    this.filename = join(drive.world.folder, `${this.name}.img`);
    this.content = new Medium(drive.tag, drive.blocks);
    writeFileSync(this.filename, '');
    truncateSync(this.filename, drive.blocks * BLOCK);
  }

  fileOptions(direct = false) {
    const { fileName, filename } = this;
    return { driver: 'file', 'node-name': fileName, filename, discard: 'unmap', cache: { direct } };
  }

  rawOptions(detectZeroes = 'off') {
    const common = { driver: 'raw', 'node-name': this.name, file: this.fileName };
    return { ...common, discard: 'unmap', 'detect-zeroes': detectZeroes };
  }

  async add() {
    await blockdevAdd(this.fileOptions());
    await blockdevAdd(this.rawOptions());
  }

  /** A flush of all disks that goes on holds the nodes that it comes to, as in QEMU. */
  async delete() {
    for (const name of [this.name, this.fileName]) await patiently(() => blockdevDel(name));
  }
}

export class Drive {
  media = [];
  tray = new Tray();
  /** Index of the medium that is in; undefined: none. */
  current = 0;
  /** Odd while the medium is being changed. */
  epoch = 0;
  /** Filters that fail requests, now and so far. */
  faults = 0;
  faultsBegun = 0;
  /** Requests that wait for retryRequest(). */
  #retrying = [];

  constructor(world, { tag, blocks, context }) {
    Object.assign(this, { world, tag, blocks, context, name: `d${tag}` });
    this.media = [0, 1].map((index) => new MediumImage(this, index));
  }

  async open() {
    for (const medium of this.media) await medium.add();
    const settings = { name: this.name, context: this.context, 'retry-interval': 20 };
    this.blk = await BlockBackend.open(this.media[0].name, { ...settings, accountRequests: true });
    this.blk.attachDevice(this, `${this.name}-device`);
    this.blk.setDeviceOps({
      changeMedia: (load) => {
        this.tray.open = !load;
      },
      isTrayOpen: () => this.tray.open,
      isMediumLocked: () => false,
      retryRequest: () => {
        for (const again of this.#retrying.splice(0)) again();
      },
    });
    this.blk.iostatusEnable();
  }

  async close() {
    await this.blk.close();
    for (const medium of this.media) await medium.delete();
  }

  /** The medium that requests reach; undefined: none, or it is being changed. */
  get medium() {
    return this.epoch % 2 === 0 ? this.media[this.current] : undefined;
  }

  /** Requests that are under way at any moment of it may reach either medium, or none. */
  async changingMedia(index, body) {
    this.epoch += 1;
    try {
      await body();
      this.current = index;
    } finally {
      this.epoch += 1;
    }
  }

  /** Requests that are under way at any moment of it may fail. */
  async failing(body) {
    this.faults += 1;
    this.faultsBegun += 1;
    try {
      await body();
    } finally {
      this.faults -= 1;
    }
  }

  /** What is true now, to be compared with later. */
  moment() {
    const { epoch, faults, faultsBegun, medium } = this;
    return { epoch, faults, faultsBegun, medium };
  }

  /** The medium was changed since, or was just being changed. */
  changedSince({ epoch }) {
    return epoch % 2 === 1 || epoch !== this.epoch;
  }

  mayHaveFailedSince({ faults, faultsBegun }) {
    return faults > 0 || faultsBegun !== this.faultsBegun;
  }

  /** Until the backend asks for what failed. */
  retried() {
    return new Promise((resolve) => this.#retrying.push(resolve));
  }
}
