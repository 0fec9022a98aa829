// A virtio-blk device for v86, on its class for virtio (VIRTIO 1.2, 5.2 Block Device).

import type { BlockBackend } from '../block-backend.js';
import { BlockUsageError } from '../errors/block-error.js';
import { ErrorHolder, type HeldRequest } from './error-holder.js';
import {
  type BufferChain,
  cpuOf,
  type V86Emulator,
  type VirtioDevice,
  type VirtioOptions,
  virtioOf,
} from './machine.js';
import { blockConfig, MAX_DATA_BYTES, QUEUE_SIZE } from './virtio-blk-config.js';
import { chainIsSane, perform, Status } from './virtio-blk-request.js';

const Feature = {
  segMax: 2,
  readOnly: 5,
  blockSize: 6,
  flush: 9,
  configWce: 11,
  discard: 13,
  writeZeroes: 14,
  indirect: 28,
  version1: 32,
} as const;

/** How a {@link VirtioBlk} looks to its guest. */
export interface VirtioBlkOptions {
  /** Which of up to 4 such devices of the machine it is, from 0 on. Default 0. */
  readonly index?: number | undefined;
  /** What the guest reads as the disk's serial, at most 20 bytes of it. Default ''. */
  readonly serial?: string | undefined;
}

/**
 * A disk that reports errors (VIRTIO_BLK_S_IOERR), and whose flushes, discards and zero-writes reach
 * the backend. Its write cache is the guest's choice; a guest that cannot flush writes through.
 */
export class VirtioBlk {
  readonly #blk: BlockBackend;
  readonly #holder: ErrorHolder;
  readonly #serial: string;
  readonly #memory: () => number;
  readonly #virtio: VirtioDevice;
  readonly #idle: (() => void)[] = [];
  #pending = 0;
  #generation = 0;
  /** The device's own setting, which a guest may change: VIRTIO_BLK_F_CONFIG_WCE. */
  #writeback = true;

  private constructor(
    emulator: V86Emulator,
    blk: BlockBackend,
    bytes: number,
    options: VirtioBlkOptions,
  ) {
    const cpu = cpuOf(emulator);
    const Virtio = virtioOf(cpu);
    if (Virtio === undefined) {
      throw new BlockUsageError('the machine needs the option virtio_balloon: true');
    }
    this.#blk = blk;
    this.#holder = new ErrorHolder(blk, true);
    this.#serial = options.serial ?? '';
    this.#memory = () => cpu.mem8.length;
    this.#virtio = new Virtio(cpu, this.#describe(bytes, options.index ?? 0));
    this.#noticeResets();
  }

  /**
   * Adds the device to a machine that was loaded (its event 'emulator-loaded') and has not started
   * (autostart: false).
   *
   * @throws (rejects) BlockError ENOMEDIUM without a medium; RangeError for an index; BlockUsageError
   *   when the machine has no virtio device that could show v86's class.
   */
  static async attach(
    emulator: V86Emulator,
    blk: BlockBackend,
    options: VirtioBlkOptions = {},
  ): Promise<VirtioBlk> {
    const { index = 0 } = options;
    if (!Number.isInteger(index) || index < 0 || index > 3) {
      throw new RangeError(`index must be 0 to 3, not ${index}`);
    }
    return new VirtioBlk(emulator, blk, await blk.getLength(), options);
  }

  /** Requests that failed and wait for `resume()`, the oldest first. */
  get held(): readonly HeldRequest[] {
    return this.#holder.held;
  }

  /** How many requests have not ended, those that are held included. */
  get pending(): number {
    return this.#pending;
  }

  /** Tries held requests again, in their order. */
  resume(): void {
    this.#holder.resume();
  }

  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    while (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** The machine is gone: what is held is dropped. The backend stays open. */
  close(): void {
    this.#generation += 1;
    this.#holder.close();
  }

  #describe(bytes: number, index: number): VirtioOptions {
    const port = 0xe000 + index * 0x100;
    const struct = blockConfig(bytes, {
      get: () => this.#writeback,
      set: (on) => {
        this.#writeback = on;
      },
    });
    return {
      name: `virtio-blk${index}`,
      pci_id: (0x0d + index) << 3,
      device_id: 0x1042,
      subsystem_device_id: 2,
      common: {
        initial_port: port,
        queues: [{ size_supported: QUEUE_SIZE, notify_offset: 0 }],
        features: this.#features(),
        on_driver_ok: () => {},
      },
      notification: {
        initial_port: port + 0x40,
        single_handler: false,
        handlers: [() => this.#takeRequests()],
      },
      isr_status: { initial_port: port + 0x80 },
      device_specific: { initial_port: port + 0xc0, struct },
    };
  }

  #features(): number[] {
    const { readOnly, ...others } = Feature;
    return this.#blk.isWritable ? Object.values(others) : [readOnly, ...Object.values(others)];
  }

  /** After a reset the queue is another one: answers to older requests have no place. */
  #noticeResets(): void {
    const virtio = this.#virtio;
    const reset = virtio.reset.bind(virtio);
    virtio.reset = () => {
      this.#generation += 1;
      this.#writeback = true;
      reset();
    };
  }

  #takeRequests(): void {
    const queue = this.#virtio.queues[0];
    // A queue has no more than that; a guest that offers more, or resets meanwhile, waits.
    while (this.#pending < QUEUE_SIZE && queue?.has_request()) {
      const chain = queue.pop_request();
      if (!chainIsSane(chain, this.#memory(), MAX_DATA_BYTES)) {
        this.#virtio.needs_reset();
        return;
      }
      void this.#serve(chain);
    }
  }

  async #serve(chain: BufferChain): Promise<void> {
    const generation = this.#generation;
    this.#pending += 1;
    const header = new Uint8Array(chain.length_readable);
    chain.get_next_blob(header);
    const answer = await perform(header, chain.length_writable - 1, {
      blk: this.#blk,
      holder: this.#holder,
      serial: this.#serial,
      writeThrough: !(this.#writeback && this.#virtio.is_feature_negotiated(Feature.flush)),
    });
    if (generation === this.#generation && answer.status !== Status.none) {
      chain.set_next_blob(answer.data);
      chain.set_next_blob(Uint8Array.of(answer.status));
      const queue = this.#virtio.queues[0];
      queue?.push_reply(chain);
      queue?.flush_replies();
    }
    this.#pending -= 1;
    if (this.#pending === QUEUE_SIZE - 1) this.#takeRequests();
    if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
