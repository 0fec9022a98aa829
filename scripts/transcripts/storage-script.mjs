// Scripts for qemu-storage-daemon: nodes, throttle groups, bitmaps, reopen, queries.
import { Choose } from './choose.mjs';
import { spoiled } from './wrong.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;
const NAMES = ['n0', 'n1', 'n2', 'n3', 'n4', 'n5'];
const GROUPS = ['g0', 'g1', 'g2'];
const BITMAPS = ['b0', 'b1'];
const BUCKETS = ['bps-total', 'bps-read', 'bps-write', 'iops-total', 'iops-read', 'iops-write'];

export class StorageScript {
  #choose;
  /** Options that each name was given last. */
  #nodes = new Map();

  /** @param images names of files that exist, of 1 MiB. */
  constructor(seed, images) {
    this.#choose = new Choose(seed);
    this.images = images;
  }

  /** The next request. */
  next() {
    const choose = this.#choose;
    const request = choose.weighted([
      [24, () => this.#add()],
      [10, () => this.#delete()],
      [10, () => this.#reopen()],
      [8, () => this.#object()],
      [6, () => this.#property()],
      [5, () => this.#resize()],
      [8, () => this.#bitmap()],
      [3, () => this.#threshold()],
      [2, () => this.#change()],
      [8, () => this.#export()],
      [16, () => this.#query()],
    ])();
    return choose.once(12) ? spoiled(choose, request) : request;
  }

  /** What came of a request. */
  learn({ execute, arguments: args }, isDone) {
    if (!isDone) return;
    if (execute === 'blockdev-add') this.#nodes.set(args['node-name'], args);
    if (execute === 'blockdev-del') this.#nodes.delete(args['node-name']);
    if (execute !== 'blockdev-reopen') return;
    for (const options of args.options) this.#nodes.set(options['node-name'], options);
  }

  /** Mostly one that there is. */
  #name() {
    const known = [...this.#nodes.keys()];
    return this.#choose.of(known.length > 0 && !this.#choose.once(4) ? known : NAMES);
  }

  /** Mostly one that there is not. */
  #newName() {
    const free = NAMES.filter((name) => !this.#nodes.has(name));
    return this.#choose.of(free.length > 0 && !this.#choose.once(5) ? free : NAMES);
  }

  #common() {
    const choose = this.#choose;
    return choose.some(5, {
      'read-only': () => choose.once(2),
      'auto-read-only': () => choose.once(2),
      'detect-zeroes': () => choose.of(['off', 'on', 'unmap']),
      discard: () => choose.of(['ignore', 'unmap']),
      // QEMU refuses an empty object here, for no reason.
      cache: () => ({ direct: false, ...choose.some(2, { 'no-flush': () => choose.once(2) }) }),
    });
  }

  /** By name mostly; sometimes a node of its own. */
  #child() {
    return this.#choose.once(4) ? this.#nullOptions() : this.#name();
  }

  #nullOptions() {
    const choose = this.#choose;
    return {
      driver: choose.of(['null-co', 'null-aio']),
      ...choose.some(2, {
        size: () => choose.of([MIB, 64 * KIB, 0, 1000]),
        'read-zeroes': () => choose.once(2),
        'latency-ns': () => choose.of([0, 1000]),
      }),
    };
  }

  #options() {
    const choose = this.#choose;
    return choose.weighted([
      [6, () => this.#nullOptions()],
      [6, () => ({ driver: 'file', filename: choose.of([...this.images, '/nonesuch/file']) })],
      [
        6,
        () => {
          const window = choose.some(3, {
            offset: () => choose.of([0, 512, 64 * KIB, 4 * MIB]),
            size: () => choose.of([0, 512, 64 * KIB, 4 * MIB, 1000]),
          });
          // A window that nobody uses holds nothing here (PERM-17), so that it is in nobody's way.
          const isWindow = Object.keys(window).length > 0;
          return { driver: 'raw', file: isWindow ? this.#nullOptions() : this.#child(), ...window };
        },
      ],
      [4, () => ({ driver: 'throttle', 'throttle-group': choose.of(GROUPS), file: this.#child() })],
      // Above a node that is read-only, and used by nobody, QEMU refuses it.
      [3, () => ({ driver: 'copy-on-read', file: this.#nullOptions(), 'read-only': false })],
      [
        3,
        () => ({
          driver: 'blkdebug',
          image: this.#child(),
          ...choose.some(3, {
            align: () => choose.of([512, 4096, 0, 1000]),
            'max-transfer': () => choose.of([65536, 512, 1000]),
          }),
        }),
      ],
    ])();
  }

  #add() {
    const name = this.#newName();
    const options = { 'node-name': name, ...this.#common(), ...this.#options() };
    return { execute: 'blockdev-add', arguments: options };
  }

  #delete() {
    return { execute: 'blockdev-del', arguments: { 'node-name': this.#name() } };
  }

  #reopen() {
    // One node twice is another thing in QEMU, where parts of the first entry survive.
    const names = new Set([this.#name(), ...(this.#choose.once(4) ? [this.#name()] : [])]);
    const options = [...names].map((name) => {
      const known = this.#nodes.get(name) ?? this.#nullOptions();
      const options = { ...known, ...this.#common(), 'node-name': name };
      // What was opened read-only stays so here (REOP-7); QEMU looks at it in some commands only.
      return known['read-only'] ? { ...options, 'read-only': true } : options;
    });
    return { execute: 'blockdev-reopen', arguments: { options } };
  }

  #limits() {
    const choose = this.#choose;
    const limits = {};
    for (const bucket of BUCKETS) {
      if (!choose.once(6)) continue;
      limits[bucket] = choose.of([0, 1, 100, 1e6, 1e15, 1e15 + 2, -1]);
      if (choose.once(3)) limits[`${bucket}-max`] = choose.of([0, 10, 1e7]);
      if (choose.once(4)) limits[`${bucket}-max-length`] = choose.of([0, 1, 5, 2 ** 32]);
    }
    if (choose.once(8)) limits['iops-size'] = choose.of([0, 4096]);
    return limits;
  }

  #object() {
    const choose = this.#choose;
    const id = choose.of([...GROUPS, '0bad']);
    if (choose.once(3)) return { execute: 'object-del', arguments: { id } };
    const more = choose.some(3, { limits: () => this.#limits(), 'x-iops-total': 50 });
    return { execute: 'object-add', arguments: { 'qom-type': 'throttle-group', id, ...more } };
  }

  #property() {
    const choose = this.#choose;
    const path = choose.of([...GROUPS, '/objects/g0', 'nonesuch']);
    const property = choose.of(['limits', 'limits', 'limits', 'x-iops-total', 'type', 'nonesuch']);
    if (choose.once(2)) return { execute: 'qom-get', arguments: { path, property } };
    const value = property === 'limits' ? this.#limits() : 5;
    return { execute: 'qom-set', arguments: { path, property, value } };
  }

  #resize() {
    // As large as it is: filters, and other nodes over the same file, show the new size here with their
    // next look, and in QEMU much later. The scripts of machines change sizes.
    const [name, size] = [this.#name(), this.#choose.of([MIB, MIB, -1])];
    return { execute: 'block_resize', arguments: { 'node-name': name, size } };
  }

  #bitmap() {
    const choose = this.#choose;
    const [node, name] = [this.#name(), choose.of(BITMAPS)];
    const verb = choose.of(['add', 'add', 'add', 'remove', 'clear', 'enable', 'disable']);
    const more =
      verb === 'add'
        ? choose.some(3, { granularity: () => choose.of([512, 65536, 1000, 2]), disabled: true })
        : {};
    return { execute: `block-dirty-bitmap-${verb}`, arguments: { node, name, ...more } };
  }

  #threshold() {
    const threshold = this.#choose.of([0, 4096, MIB]);
    const args = { 'node-name': this.#name(), 'write-threshold': threshold };
    return { execute: 'block-set-write-threshold', arguments: args };
  }

  #change() {
    const args = { parent: this.#name(), ...this.#choose.some(2, { child: 'file', node: 'n0' }) };
    return { execute: 'x-blockdev-change', arguments: args };
  }

  #export() {
    const choose = this.#choose;
    const id = choose.of(['e0', 'e1', '0bad']);
    const more = choose.some(3, {
      writable: () => choose.once(2),
      name: () => choose.of(['x', 'y']),
      description: 'for people',
    });
    const address = { type: 'unix', data: { path: 'IMAGES/nbd.sock' } };
    return choose.of([
      { execute: 'nbd-server-start', arguments: { addr: address } },
      { execute: 'nbd-server-start', arguments: { addr: address } },
      { execute: 'nbd-server-stop' },
      {
        execute: 'block-export-add',
        arguments: { type: 'nbd', id, 'node-name': this.#name(), ...more },
      },
      {
        execute: 'block-export-add',
        arguments: { type: 'nbd', id, 'node-name': this.#name(), ...more },
      },
      {
        execute: 'block-export-del',
        arguments: { id, ...choose.some(2, { mode: () => choose.of(['safe', 'hard']) }) },
      },
    ]);
  }

  #query() {
    const choose = this.#choose;
    return choose.of([
      { execute: 'query-block-exports' },
      { execute: 'query-named-block-nodes', arguments: choose.some(2, { flat: true }) },
      { execute: 'query-block' },
      { execute: 'query-blockstats', arguments: choose.some(2, { 'query-nodes': true }) },
      { execute: 'x-debug-query-block-graph' },
    ]);
  }
}

/** What a script ends with: everything that can be seen. */
export const STORAGE_QUERIES = [
  { execute: 'query-block-exports' },
  { execute: 'query-named-block-nodes' },
  { execute: 'query-blockstats', arguments: { 'query-nodes': true } },
  { execute: 'x-debug-query-block-graph' },
];
