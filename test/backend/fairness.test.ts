// However busy a backend is, the rest of the process runs. No times are asserted: each neighbour
// must have had its turn before the load has ended.
import { readFile } from 'node:fs/promises';
import { BlockBackend } from '../../lib/index.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, rawOptions } from '../support/matrix.js';

const REQUESTS = 20_000;
const MAX_REQUESTS = 100 * REQUESTS;

/** What else a process does; each counts its turns. */
class Neighbours {
  timers = 0;
  immediates = 0;
  files = 0;
  #ended = false;
  readonly #interval = setInterval(() => {
    this.timers += 1;
  }, 1);

  constructor() {
    this.#immediate();
    void this.#readFiles();
  }

  get allSeen(): boolean {
    return this.timers > 0 && this.immediates > 0 && this.files > 0;
  }

  end(): void {
    this.#ended = true;
    clearInterval(this.#interval);
  }

  #immediate(): void {
    if (this.#ended) return;
    this.immediates += 1;
    setImmediate(() => this.#immediate());
  }

  async #readFiles(): Promise<void> {
    while (!this.#ended) {
      await readFile(__filename);
      this.files += 1;
    }
  }
}

onEveryEngineAndHome((context) => {
  for (const driver of ['null-co', 'raw']) {
    for (const depth of [1, 256]) {
      test(`AIO: timers, immediates and other I/O run beside ${driver} at depth ${depth}`, async () => {
        const options = driver === 'raw' ? rawOptions(image(1024 * 1024)) : { driver };
        await using blk = await BlockBackend.open(options, { context: context() });
        const neighbours = new Neighbours();
        let count = 0;
        // As long as it takes, so that a slow machine is not called unfair: without fairness none
        // has a turn, ever.
        const goesOn = (): boolean =>
          count < REQUESTS || (!neighbours.allSeen && count < MAX_REQUESTS);
        const lane = async (): Promise<void> => {
          const buffer = blk.allocate(512);
          while (goesOn()) {
            count += 1;
            await blk.pread((count % 2048) * 512, buffer);
          }
        };
        await Promise.all(Array.from({ length: depth }, lane));
        neighbours.end();
        const { timers, immediates, files } = neighbours;
        expect({ timers, immediates, files, seen: neighbours.allSeen }).toMatchObject({
          seen: true,
        });
      }, 120_000);
    }
  }

  test('AIO: a loop of callbacks lets timers run', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' }, { context: context() });
    const buffer = blk.allocate(512);
    const neighbours = new Neighbours();
    let count = 0;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        count += 1;
        const enough = count >= REQUESTS && neighbours.allSeen;
        if (enough || count >= MAX_REQUESTS) resolve();
        else blk.aio.pread(0, buffer, next);
      };
      next();
    });
    neighbours.end();
    expect(neighbours.allSeen).toBe(true);
  }, 120_000);
});
