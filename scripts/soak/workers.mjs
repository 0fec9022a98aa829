// Threads that come and go, each with a backend of its own, and end in the middle of what they do or
// when they are asked to.
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BLOCK, strangeRecord } from './model.mjs';

const BLOCKS = 128;
const TAG = 1000;
const PROGRAM = fileURLToPath(new URL('./worker.mjs', import.meta.url));

/** One place for a thread, taken by one after the other. */
export class WorkerPlace {
  #lives = 0;

  constructor(world, random, index) {
    Object.assign(this, { world, random, index });
  }

  run() {
    return this.world.goOn(async () => {
      await this.#life();
      await sleep(this.random.between(50, 300));
    });
  }

  async #life() {
    const { world, random } = this;
    this.#lives += 1;
    // What the kernel still does for a thread that has ended must not reach the next one.
    const image = join(world.folder, `worker${this.index}-${this.#lives}.img`);
    writeFileSync(image, '');
    truncateSync(image, BLOCKS * BLOCK);
    const combination = random.pick(world.combinations);
    const tag = TAG + this.index;
    const seed = random.below(2 ** 31);
    const worker = new Worker(PROGRAM, {
      workerData: { ...combination, image, tag, blocks: BLOCKS, seed },
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    await this.#watch(worker);
    const problem = strangeRecord(readFileSync(image), tag, 0);
    if (problem !== undefined) world.fail(`wrong data of a worker: ${problem}`);
    rmSync(image);
  }

  /** From its start to its end. */
  async #watch(worker) {
    const { world, random } = this;
    const begun = new Promise((resolve) => {
      worker.on('message', ({ type, text, requests }) => {
        if (type === 'begun') resolve();
        if (type === 'problem') world.fail(`in a worker: ${text}`);
        if (type === 'requests') world.count('requests of workers', requests);
      });
      worker.on('error', (error) => {
        world.fail(`a worker threw ${error.stack}`);
        resolve();
      });
      worker.on('exit', resolve);
    });
    const ended = new Promise((resolve) => worker.on('exit', resolve));
    await world.watch.control('worker start', 'start of a worker', () => begun);
    await sleep(random.between(0, 200));
    if (random.chance(1, 3)) {
      world.count('workers: asked to end');
      worker.postMessage('end');
    } else {
      world.count('workers: terminated');
      void worker.terminate();
    }
    await world.watch.control('worker end', 'end of a worker', () => ended);
  }
}
