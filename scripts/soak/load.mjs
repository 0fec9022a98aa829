// What a guest does with a drive. Each lane writes into a part of its own, reads that and the parts of
// others, and judges every byte.
import { constants } from 'node:os';
import { BLOCK, fill, isZeroes } from './model.mjs';

const MOST_BLOCKS = 8;
const INJECTED = ['EIO', 'ENOSPC'];

/** One of each kind of memory. */
function memoriesOf(blk) {
  const bytes = MOST_BLOCKS * BLOCK;
  return [
    blk.allocate(bytes),
    Buffer.alloc(bytes),
    new Uint8Array(new SharedArrayBuffer(bytes)),
    // Not aligned to more than a word.
    new Uint8Array(new ArrayBuffer(bytes + 4), 4),
  ];
}

const inParts = (bytes) => [bytes.subarray(0, BLOCK), bytes.subarray(BLOCK)];

/** The forms of a call; all mean the same. */
const readForms = [
  (blk, at, bytes, options) => blk.pread(at, bytes, options),
  (blk, at, bytes, options) =>
    bytes.length > BLOCK ? blk.preadv(at, inParts(bytes), options) : blk.pread(at, bytes, options),
  (blk, at, bytes) =>
    new Promise((resolve, reject) => {
      blk.aio.pread(at, bytes, (error, result) => (error ? reject(error) : resolve(result)));
    }),
];
const writeForms = [
  (blk, at, bytes, options) => blk.pwrite(at, bytes, options),
  (blk, at, bytes, options) =>
    bytes.length > BLOCK
      ? blk.pwritev(at, inParts(bytes), options)
      : blk.pwrite(at, bytes, options),
  (blk, at, bytes) =>
    new Promise((resolve, reject) => {
      blk.aio.pwrite(at, bytes, (error, result) => (error ? reject(error) : resolve(result)));
    }),
];

export class Lane {
  #drive;
  #random;
  #first;
  #blocks;
  #generation = 0;
  #memories;

  constructor(drive, random, { index, lanes }) {
    this.#drive = drive;
    this.#random = random;
    this.#blocks = Math.floor(drive.blocks / lanes);
    this.#first = index * this.#blocks;
    this.#memories = memoriesOf(drive.blk);
  }

  get #world() {
    return this.#drive.world;
  }

  /** Until the world ends; it stands still while the world does, or the machine. */
  run() {
    return this.#world.goOn(() => this.#step());
  }

  #range(first, blocks) {
    const count = this.#random.between(1, MOST_BLOCKS);
    return [first + this.#random.below(blocks - count + 1), count];
  }

  #ownRange() {
    return this.#range(this.#first, this.#blocks);
  }

  #step() {
    const step = this.#random.weighted([
      [35, () => this.#write(...this.#ownRange())],
      [30, () => this.#read(...this.#ownRange())],
      [15, () => this.#read(...this.#range(0, this.#drive.blocks))],
      [6, () => this.#zero(...this.#ownRange())],
      [4, () => this.#discard(...this.#ownRange())],
      [3, () => this.#request('flush', 'flush', () => this.#drive.blk.flush())],
      [1, () => this.#readSync(...this.#ownRange())],
    ]);
    return step();
  }

  /** A guest gives up what waits, now and then. */
  #options() {
    if (!this.#random.chance(1, 50)) return undefined;
    const abort = new AbortController();
    setTimeout(() => abort.abort(), this.#random.below(20));
    return { signal: abort.signal };
  }

  #memory(count) {
    return this.#random.pick(this.#memories).subarray(0, count * BLOCK);
  }

  async #read(first, count) {
    const bytes = this.#memory(count);
    const form = this.#random.pick(readForms);
    await this.#judged(first, count, bytes, () =>
      form(this.#drive.blk, first * BLOCK, bytes, this.#options()),
    );
  }

  /** It stops the whole loop, so it is seldom; where only JavaScript could let it go, it is refused. */
  async #readSync(first, count) {
    if (this.#drive.blk.throttleGroup !== undefined || !this.#random.chance(1, 4)) return;
    const bytes = this.#memory(count);
    await this.#judged(first, count, bytes, async () =>
      this.#drive.blk.preadSync(first * BLOCK, bytes),
    );
  }

  async #judged(first, count, bytes, run) {
    const drive = this.#drive;
    const media = drive.media.map(({ content }) => content);
    const readings = media.map((content) => content.reading(first, count));
    const moment = drive.moment();
    bytes.fill(0xee);
    const outcome = await this.#request('read', `read of block ${first}, ${count} blocks`, run);
    if (outcome === bytes.length) {
      const possible = drive.changedSince(moment)
        ? readings
        : readings.filter((_, index) => drive.media[index] === moment.medium);
      const problems = possible.map((reading) => reading.problem(bytes));
      if (problems.length === 0)
        this.#world.fail(`${drive.name}: a read without a medium succeeded`);
      else if (!problems.includes(undefined)) this.#world.fail(`wrong data: ${problems[0]}`);
    } else if (typeof outcome === 'number') {
      this.#world.fail(`${drive.name}: a read of ${bytes.length} bytes gave ${outcome}`);
    }
    for (const reading of readings) reading.end();
  }

  #nextGeneration(zeroes) {
    do this.#generation += 1;
    while (isZeroes(this.#generation) !== zeroes);
    return this.#generation;
  }

  async #write(first, count) {
    const generation = this.#nextGeneration(false);
    const bytes = this.#memory(count);
    fill(bytes, this.#drive.tag, first, generation);
    const form = this.#random.pick(writeForms);
    const fua = this.#random.chance(1, 10);
    await this.#changing(first, count, generation, true, 'write', () =>
      form(this.#drive.blk, first * BLOCK, bytes, { fua, ...this.#options() }),
    );
  }

  #zero(first, count) {
    const generation = this.#nextGeneration(true);
    const mayUnmap = this.#random.chance(1, 2);
    return this.#changing(first, count, generation, true, 'zero-write', () =>
      this.#drive.blk.pwriteZeroes(first * BLOCK, count * BLOCK, { mayUnmap }),
    );
  }

  /** Only a hint: what was there may stay. */
  #discard(first, count) {
    const generation = this.#nextGeneration(true);
    return this.#changing(first, count, generation, false, 'discard', () =>
      this.#drive.blk.pdiscard(first * BLOCK, count * BLOCK),
    );
  }

  async #changing(first, count, generation, certain, kind, run) {
    const drive = this.#drive;
    const contents = drive.media.map(({ content }) => content);
    for (const content of contents) content.begin(first, count, generation);
    const moment = drive.moment();
    const outcome = await this.#request(kind, `${kind} of block ${first}, ${count} blocks`, run);
    const changed = drive.changedSince(moment);
    for (const [index, content] of contents.entries()) {
      const isThere = drive.media[index] === moment.medium;
      const done = typeof outcome === 'number';
      if (outcome === 'not done' || (!changed && !isThere))
        content.retract(first, count, generation);
      else if (done && certain && !changed) content.acknowledge(first, count, generation);
    }
    if (typeof outcome === 'number' && !changed && moment.medium === undefined) {
      this.#world.fail(`${drive.name}: a ${kind} without a medium succeeded`);
    }
  }

  /** The result of a request; 'not done' if it was never carried out, 'failed' if it may have been in part. */
  async #request(kind, text, run) {
    const once = () => this.#once(kind, `${this.#drive.name}: ${text}`, run);
    let outcome = await once();
    if (outcome !== 'again') return outcome;
    while (outcome === 'again') outcome = await once();
    // What failed before may have been carried out in part.
    return outcome === 'not done' ? 'failed' : outcome;
  }

  async #once(kind, text, run) {
    const drive = this.#drive;
    const moment = drive.moment();
    const end = this.#world.watch.begin(kind, text);
    try {
      const result = await run();
      drive.blk.retrySucceeded();
      return result;
    } catch (error) {
      end();
      return await this.#afterError(kind, text, error, moment);
    } finally {
      end();
    }
  }

  #afterError(kind, text, error, moment) {
    const drive = this.#drive;
    const { code, name } = error;
    this.#world.count(`failed: ${name === 'AbortError' ? 'aborted' : code}`);
    if (name === 'AbortError') return 'not done';
    if (code === 'EDEADLK' && kind === 'read') return 'not done';
    if (code === 'ENOMEDIUM' && (drive.changedSince(moment) || moment.medium === undefined)) {
      return 'not done';
    }
    if (INJECTED.includes(code) && drive.mayHaveFailedSince(moment)) {
      return this.#policy(kind === 'read', constants.errno[code]);
    }
    this.#world.fail(`${text} failed: ${error.message}`);
    return 'failed';
  }

  /** What a device does about an error, as the drive's policy says. */
  async #policy(isRead, errno) {
    const { blk } = this.#drive;
    const action = blk.getErrorAction(isRead, errno);
    this.#world.count(`policy: ${action}`);
    // Before it is told: the machine may go on at once.
    const resumed = action === 'stop' ? this.#world.machine.resumed() : undefined;
    const retried = action === 'retry' ? this.#drive.retried() : undefined;
    blk.errorAction(action, isRead, errno);
    if (action === 'stop' && blk.iostatusIsEnabled && blk.iostatus === 'ok') {
      this.#world.fail(`${this.#drive.name}: an error stopped the machine, and its status is ok`);
    }
    await (resumed ?? retried);
    return resumed || retried ? 'again' : 'failed';
  }
}
