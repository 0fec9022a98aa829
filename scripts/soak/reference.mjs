// How long the machine itself stood still: a thread that only looks at the clock, and one that only
// writes to the disk, without the product. Whatever they wait longer than they should is nobody's
// fault here, and neither is the time for which a thread of this process could run and had no processor.
import { fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const TICK_MS = 10;
const DISK_PAUSE_MS = 40;
/** What a tick or a write may take. */
const ALLOWED_MS = 40;

/** Milliseconds that all threads agree on. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Of a reference, in shared memory: what it lost, and since when it does what it does now. */
const LOST = 0;
const BEGAN = 1;

/** Of each thread of this process, the milliseconds for which it waited for a processor so far. */
function processorWaits() {
  const waits = new Map();
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      const [, waited] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ');
      waits.set(thread, Number(waited) / 1e6);
    } catch (error) {
      // It has just ended.
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
    }
  }
  return waits;
}

export class Reference {
  #cells = [];
  #waits = processorWaits();
  #waited = 0;
  #workers = [];

  constructor(folder) {
    for (const kind of ['clock', 'disk']) {
      const cells = new Float64Array(new SharedArrayBuffer(16));
      const file = join(folder, 'reference');
      this.#cells.push(cells);
      this.#workers.push(
        new Worker(fileURLToPath(import.meta.url), { workerData: { kind, cells, file } }),
      );
    }
  }

  /** Both threads have begun. */
  async begin() {
    while (this.#cells.some((cells) => cells[BEGAN] === 0)) await sleep(TICK_MS);
  }

  /** Call it often: adds what the thread that was worst off has waited since. */
  look() {
    const waits = processorWaits();
    const more = [...waits].map(([thread, waited]) => waited - (this.#waits.get(thread) ?? 0));
    this.#waited += Math.max(0, ...more);
    this.#waits = waits;
  }

  /** Milliseconds that the machine stood still, so far. */
  get lost() {
    return this.#cells.reduce((sum, cells) => {
      return sum + cells[LOST] + Math.max(0, now() - cells[BEGAN] - ALLOWED_MS);
    }, this.#waited);
  }

  async end() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function measure(cells, body) {
  cells[BEGAN] = now();
  body();
  cells[LOST] += Math.max(0, now() - cells[BEGAN] - ALLOWED_MS);
  cells[BEGAN] = now();
}

function run({ kind, cells, file }) {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  const doze = (ms) => Atomics.wait(asleep, 0, 0, ms);
  if (kind === 'clock') for (;;) measure(cells, () => doze(TICK_MS));
  const fd = openSync(file, 'w');
  rmSync(file);
  const block = Buffer.alloc(4096, 1);
  for (;;) {
    measure(cells, () => {
      writeSync(fd, block, 0, block.length, 0);
      fdatasyncSync(fd);
    });
    measure(cells, () => doze(DISK_PAUSE_MS));
  }
}

if (!isMainThread && workerData?.cells) run(workerData);
