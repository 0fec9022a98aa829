// Scripts for qemu-system: drives with and without devices, media, limits, statistics, run state.
import { Choose } from './choose.mjs';
import { spoiled } from './wrong.mjs';

const KIB = 1024;
/** Drives of the machine, and the ids of their devices; d1 has none. */
const DRIVES = ['cd', 'd1', 'd2'];
const DEVICES = ['cd0', 'hd0'];
const LIMITS = ['bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'];

export class MachineScript {
  #choose;

  /** @param images names of files that exist, of 1 MiB. */
  constructor(seed, images) {
    this.#choose = new Choose(seed);
    this.images = images;
  }

  next() {
    const choose = this.#choose;
    const request = choose.weighted([
      [20, () => this.#media()],
      [12, () => this.#throttle()],
      [6, () => this.#histogram()],
      [5, () => this.#resize()],
      [14, () => this.#io()],
      [6, () => this.#node()],
      [6, () => ({ execute: choose.of(['stop', 'cont', 'query-status']) })],
      [12, () => this.#query()],
    ])();
    return choose.once(12) ? spoiled(choose, request) : request;
  }

  /** Nothing here depends on what came of a request. */
  learn() {}

  /** By name, by the id of the device, or wrong. */
  #drive() {
    const choose = this.#choose;
    return choose.weighted([
      [6, { device: choose.of(DRIVES) }],
      [6, { id: choose.of(DEVICES) }],
      [1, { device: 'nonesuch' }],
      [1, { id: 'nonesuch' }],
      [1, {}],
      [1, { device: 'cd', id: 'cd0' }],
    ]);
  }

  #media() {
    const choose = this.#choose;
    const drive = choose.once(3) ? this.#drive() : { id: 'cd0' };
    const force = choose.some(3, { force: () => choose.once(2) });
    return choose.of([
      { execute: 'blockdev-open-tray', arguments: { ...drive, ...force } },
      { execute: 'blockdev-close-tray', arguments: drive },
      { execute: 'blockdev-remove-medium', arguments: drive },
      {
        execute: 'blockdev-insert-medium',
        arguments: { ...drive, 'node-name': choose.of(['m0', 'm1', 'nonesuch']) },
      },
      {
        execute: 'blockdev-change-medium',
        arguments: {
          ...drive,
          ...force,
          filename: choose.of([...this.images, '/nonesuch/file']),
          format: choose.of(['raw', 'raw', 'raw', 'nonesuch']),
          ...choose.some(3, {
            'read-only-mode': () => choose.of(['retain', 'read-only', 'read-write']),
          }),
        },
      },
      { execute: 'eject', arguments: { ...drive, ...force } },
    ]);
  }

  #throttle() {
    const choose = this.#choose;
    // High enough for requests by hand not to wait for hours.
    const limits = Object.fromEntries(
      LIMITS.map((name) => [name, choose.once(4) ? choose.of([1e6, 1e8, 1e9, -1]) : 0]),
    );
    const more = choose.some(8, {
      bps_max: () => choose.of([0, 1e9]),
      iops_max: () => choose.of([0, 10_000]),
      iops_max_length: () => choose.of([1, 5, 0]),
      iops_size: () => choose.of([0, 4096]),
      group: () => choose.of(['g0', 'g1']),
    });
    const args = { ...this.#drive(), ...limits, ...more };
    return { execute: 'block_set_io_throttle', arguments: args };
  }

  #histogram() {
    const choose = this.#choose;
    const bounds = () => choose.of([[10, 50, 100], [1], [5, 1], [0, 1]]);
    return {
      execute: 'block-latency-histogram-set',
      arguments: {
        id: choose.of([...DEVICES, 'nonesuch']),
        ...choose.some(2, { boundaries: bounds, 'boundaries-write': bounds }),
      },
    };
  }

  #resize() {
    const choose = this.#choose;
    const target = choose.of([{ device: choose.of(DRIVES) }, { 'node-name': 'm0' }, {}]);
    return {
      execute: 'block_resize',
      arguments: { ...target, size: choose.of([0, 64 * KIB, 2048 * KIB, -1]) },
    };
  }

  #io() {
    const choose = this.#choose;
    const offset = choose.below(200) * 4096;
    const bytes = choose.of([512, 4096, 65536]);
    const io = choose.of([
      `read ${offset} ${bytes}`,
      `write -P 0x${(17 + choose.below(200)).toString(16)} ${offset} ${bytes}`,
      `write -z ${offset} ${bytes}`,
      `discard ${offset} ${bytes}`,
      'flush',
      'length',
    ]);
    const device = choose.of([...DRIVES, 'nonesuch']);
    return {
      execute: 'human-monitor-command',
      arguments: { 'command-line': `qemu-io ${device} "${io}"` },
    };
  }

  #node() {
    const choose = this.#choose;
    const name = choose.of(['m0', 'm1']);
    if (choose.once(3)) return { execute: 'blockdev-del', arguments: { 'node-name': name } };
    return {
      execute: 'blockdev-add',
      arguments: { driver: 'null-co', 'node-name': name, size: 1024 * KIB, 'read-zeroes': true },
    };
  }

  #query() {
    return this.#choose.of([
      { execute: 'query-block' },
      { execute: 'query-blockstats' },
      { execute: 'query-named-block-nodes', arguments: { flat: true } },
      { execute: 'query-status' },
    ]);
  }
}

export const MACHINE_QUERIES = [
  { execute: 'query-block' },
  { execute: 'query-blockstats' },
  { execute: 'query-named-block-nodes' },
];
