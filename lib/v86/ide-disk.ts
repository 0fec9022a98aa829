// A BlockBackend as the object that v86's IDE controller calls a buffer (v86: src/buffer.js, src/ide.js).

import type { BlockBackend } from '../block-backend.js';
import { BlockUsageError } from '../errors/block-error.js';
import { ErrorHolder, type HeldRequest } from './error-holder.js';
import { RequestOrder } from './request-order.js';

const SECTOR = 512;

type DataCallback = (data: Uint8Array) => void;

/** How an {@link IdeDisk} looks to its guest. */
export interface IdeDiskOptions {
  /** 2048 for a CD-ROM. Default 512. The disk is rounded up to whole sectors, as QEMU does. */
  readonly sectorSize?: number | undefined;
}

/**
 * The disk of an IDE controller: `new V86({ hda: await IdeDisk.open(blk) })`; `hdb` and `cdrom` too.
 *
 * v86's IDE cannot tell a guest of an error, and does not forward its flushes. Hence each write is
 * durable before it ends, and a failed request whose error the backend's policy would report is held
 * instead, as with the action 'stop': the guest waits for it until `resume()`, which a VMM calls when
 * its run state is 'running' again. What is ignored reads as zeroes.
 */
export class IdeDisk {
  /** Bytes, whole sectors. */
  readonly byteLength: number;
  /** v86 sets it, and waits for the call. */
  onload: ((event: object) => void) | undefined;
  /** v86 sets it; it is never called. */
  onprogress: ((event: object) => void) | undefined;

  readonly #blk: BlockBackend;
  readonly #length: number;
  readonly #holder: ErrorHolder;
  readonly #order = new RequestOrder();

  private constructor(blk: BlockBackend, length: number, options: IdeDiskOptions) {
    const { sectorSize = SECTOR } = options;
    this.#blk = blk;
    this.#length = length;
    this.#holder = new ErrorHolder(blk, false);
    this.byteLength = Math.ceil(length / sectorSize) * sectorSize;
  }

  /**
   * Turns the backend's write cache off, and asks for its length, which a disk keeps.
   *
   * @throws (rejects) BlockError ENOMEDIUM without a medium, and whatever asking gives.
   */
  static async open(blk: BlockBackend, options: IdeDiskOptions = {}): Promise<IdeDisk> {
    const length = await blk.getLength();
    blk.writeCache = false;
    return new IdeDisk(blk, length, options);
  }

  /** Requests that failed and wait for `resume()`, the oldest first. */
  get held(): readonly HeldRequest[] {
    return this.#holder.held;
  }

  /** How many requests have not ended, those that are held included. */
  get pending(): number {
    return this.#order.size;
  }

  /** Tries held requests again, in their order. */
  resume(): void {
    this.#holder.resume();
  }

  /**
   * Resolves when no request is under way: before the state is saved, after the machine stopped.
   */
  idle(): Promise<void> {
    return this.#order.idle();
  }

  /** The machine is gone: what is held is dropped. The backend stays open. */
  close(): void {
    this.#holder.close();
  }

  /** v86: makes the disk ready. */
  load(): void {
    this.onload?.({});
  }

  /** v86: reads. A request whose signal is aborted calls back, too, with zeroes. */
  get(
    offset: number,
    length: number,
    callback: DataCallback,
    options: { readonly signal?: AbortSignal } = {},
  ): void {
    const read = async () => callback(await this.#read(offset, length, options.signal));
    void read();
  }

  /** v86: writes; `data` may change as soon as this returns. */
  set(offset: number, data: Uint8Array, callback: () => void): void {
    const copy = Uint8Array.from(data);
    const write = async () => {
      await this.#write(offset, copy);
      callback();
    };
    void write();
  }

  /** v86 asks for the partition table through this. */
  get_and_cache(offset: number, length: number, callback: DataCallback): void {
    this.get(offset, length, callback);
  }

  /** Nothing is cached: the data may change without v86. */
  get_from_cache(_offset: number, _length: number): Uint8Array | undefined {
    return undefined;
  }

  /** v86: the state of a machine holds the length alone; the data is in the backend. */
  get_state(): [number] {
    return [this.byteLength];
  }

  /** v86 restores a machine. @throws BlockUsageError for the state of a disk of another length. */
  set_state(state: readonly unknown[]): void {
    const [length] = state;
    if (length === this.byteLength) return;
    throw new BlockUsageError(
      `the state is that of a disk of ${String(length)} bytes, and this one has ${this.byteLength}`,
    );
  }

  async #read(
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const data = new Uint8Array(length);
    const inside = data.subarray(0, this.#inside(offset, length));
    if (inside.length === 0) return data;
    const read = () => this.#holder.run(true, () => this.#blk.pread(offset, inside), signal);
    const outcome = await this.#order.run(offset, length, false, read);
    return outcome === 'done' ? data : data.fill(0);
  }

  async #write(offset: number, data: Uint8Array): Promise<void> {
    const inside = data.subarray(0, this.#inside(offset, data.length));
    if (inside.length === 0) return;
    const write = () =>
      this.#holder.run(false, () => this.#blk.pwrite(offset, inside, { fua: true }));
    await this.#order.run(offset, data.length, true, write);
  }

  /** How much of a request that ends in the last sector the image has; others are left alone. */
  #inside(offset: number, length: number): number {
    if (offset + length > this.byteLength) return length;
    return Math.max(0, Math.min(length, this.#length - offset));
  }
}
