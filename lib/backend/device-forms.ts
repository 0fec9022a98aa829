// Requests that machines and device models make beside those for data.

import { Operation } from '../aio/protocol.js';
import type { ByteCount } from './arguments.js';
import {
  type BlockSizeConf,
  type BlockSizes,
  completeBlockSizes,
  type DeviceBlockSizes,
} from './block-sizes.js';
import { ImageForms } from './image-forms.js';
import { decodeSgIo, encodeSgIo, type SgIoCommand, type SgIoResult } from './sg-io.js';

/** How old guests address a disk. */
export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** On a track. */
  readonly sectors: number;
}

/** `argument` of a sector count that rejects rather than say that there are none. */
const FAILS = 1;

function blockSizesFrom(memory: Buffer): BlockSizes {
  return Object.freeze({ physical: memory.readUInt32LE(0), logical: memory.readUInt32LE(4) });
}

function geometryFrom(memory: Buffer): DiskGeometry {
  return Object.freeze({
    cylinders: memory.readUInt32LE(0),
    heads: memory.readUInt32LE(4),
    sectors: memory.readUInt32LE(8),
  });
}

/** Vmstate, probes and SCSI commands. All need a medium, without which they are ENOMEDIUM. */
export abstract class DeviceForms extends ImageForms {
  /**
   * Writes the state of a machine beside the disk's data, from the byte `position` on, and resolves
   * to the number of bytes. Without a write cache it is durable by then, and a flush that fails is
   * the result. EIO: a negative position, or one too large. ENOTSUP: no driver below has a place for
   * it. (blk_save_vmstate)
   */
  saveVmstate(position: ByteCount, buffer: ArrayBufferView): Promise<number> {
    return this.port.promise(this.port.draft.saveVmstate(position, buffer));
  }

  /** Reads such a state; resolves to the number of bytes. Errors as above. (blk_load_vmstate) */
  loadVmstate(position: ByteCount, buffer: ArrayBufferView): Promise<number> {
    return this.port.promise(this.port.draft.loadVmstate(position, buffer));
  }

  /** Like {@link saveVmstate}, and waits for it. */
  saveVmstateSync(position: ByteCount, buffer: ArrayBufferView): number {
    return this.port.sync(this.port.draft.saveVmstate(position, buffer));
  }

  /** Like {@link loadVmstate}, and waits for it. */
  loadVmstateSync(position: ByteCount, buffer: ArrayBufferView): number {
    return this.port.sync(this.port.draft.loadVmstate(position, buffer));
  }

  /**
   * What the medium wants a guest's disk to say of its sectors; ENOTSUP for most, which do not care.
   * (blk_probe_blocksizes)
   */
  async probeBlockSizes(): Promise<BlockSizes> {
    const memory = Buffer.alloc(8);
    await this.port.promise(this.port.draft.ask(Operation.probeBlockSizes, memory));
    return blockSizesFrom(memory);
  }

  /** Like {@link probeBlockSizes}, and waits for it. */
  probeBlockSizesSync(): BlockSizes {
    const memory = Buffer.alloc(8);
    this.port.sync(this.port.draft.ask(Operation.probeBlockSizes, memory));
    return blockSizesFrom(memory);
  }

  /**
   * What a device with these options says of its blocks: what they leave open is as the medium has
   * it. (blkconf_blocksizes)
   *
   * @throws (rejects) BlockError EINVAL for sizes that do not go together.
   */
  async deviceBlockSizes(conf: BlockSizeConf = {}): Promise<DeviceBlockSizes> {
    const medium = await this.probeBlockSizes().catch(() => undefined);
    return completeBlockSizes(conf, medium);
  }

  /** What geometry the medium wants; ENOTSUP for most. (blk_probe_geometry) */
  async probeGeometry(): Promise<DiskGeometry> {
    const memory = Buffer.alloc(12);
    await this.port.promise(this.port.draft.ask(Operation.probeGeometry, memory));
    return geometryFrom(memory);
  }

  /** Like {@link probeGeometry}, and waits for it. */
  probeGeometrySync(): DiskGeometry {
    const memory = Buffer.alloc(12);
    this.port.sync(this.port.draft.ask(Operation.probeGeometry, memory));
    return geometryFrom(memory);
  }

  /**
   * How many sectors of 512 bytes there are: 0 without a medium and when its length cannot be found
   * out. An open tray does not matter. (blk_get_geometry)
   */
  getGeometry(): Promise<number> {
    return this.port.promise(this.port.draft.ask(Operation.sectors, undefined));
  }

  /**
   * How many sectors of 512 bytes the medium has, be the tray open or not.
   *
   * @throws (rejects) BlockError ENOMEDIUM without a medium, and whatever asking it gives.
   * (blk_nb_sectors)
   */
  nbSectors(): Promise<number> {
    return this.port.promise(this.port.draft.ask(Operation.sectors, undefined, FAILS));
  }

  /** Like {@link nbSectors}, and waits for it. */
  nbSectorsSync(): number {
    return this.port.sync(this.port.draft.ask(Operation.sectors, undefined, FAILS));
  }

  /** Like {@link getGeometry}, and waits for it. */
  getGeometrySync(): number {
    return this.port.sync(this.port.draft.ask(Operation.sectors, undefined));
  }

  /**
   * Sends a SCSI command to the device below; resolves to what the device says of it, good or bad.
   * It waits in drained sections like an ioctl. ENOTSUP: the driver has none, or a raw window is on
   * top. Else what the kernel gives, such as ENOTTY for devices that are not SCSI.
   * (blk_aio_ioctl with SG_IO)
   *
   * @throws (rejects) TypeError and RangeError for a command that makes no sense.
   */
  async sgIo(command: SgIoCommand): Promise<SgIoResult> {
    const memory = encodeSgIo(command);
    await this.port.promise(this.port.draft.ask(Operation.sgIo, memory));
    return decodeSgIo(memory, command);
  }

  /** Like {@link sgIo}, and waits for it. */
  sgIoSync(command: SgIoCommand): SgIoResult {
    const memory = encodeSgIo(command);
    this.port.sync(this.port.draft.ask(Operation.sgIo, memory));
    return decodeSgIo(memory, command);
  }
}
