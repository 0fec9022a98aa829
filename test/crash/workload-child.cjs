// Writes and flushes through a blklogwrites node directly above a file, several lanes at once, and
// writes down what was asked and acknowledged, in order. argv: the settings as JSON.
//
//   image, log, events    paths: image and log exist; the events go there
//   seed, steps, lanes    how many requests in all; every lane has a part of the image to itself
//   aio, home             of the context
//   drop                  what is left out once, behind the product's back: see `window`
//   kill                  ends by SIGKILL when all is acknowledged, without closing anything
//   marks                 a file that is told each event while it happens, for strace
const { openSync, statSync, writeFileSync, writeSync } = require('node:fs');
const { AioContext, BlockBackend, blockdevReopen, writeLogState } = require('block-backend');

const SECTOR = 512;
const settings = JSON.parse(process.argv[2]);
const { image, log, steps, lanes, drop } = settings;
const sectors = statSync(image).size / SECTOR;
const laneSectors = sectors / lanes;
const MOST_SECTORS = 8;

/** As in test/support/random.ts. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const digits = (number, count) => String(number).padStart(count, '0');

/** Every 16 bytes say which request wrote them, and where. */
function contentOf(id, first, count) {
  const parts = [];
  for (let sector = first; sector < first + count; sector += 1) {
    parts.push(`W${digits(id, 7)}.${digits(sector, 6)}\n`.repeat(SECTOR / 16));
  }
  return Buffer.from(parts.join(''), 'latin1');
}

class Workload {
  events = [];
  #random = randomNumbers(settings.seed);
  #marks = settings.marks === undefined ? undefined : openSync(settings.marks, 'w');
  #blk;
  #next = 0;
  #writeCache = true;

  constructor(blk) {
    this.#blk = blk;
  }

  #note(event) {
    this.events.push(event);
    // A whole system call for each: strace sees where it stands among the others.
    if (this.#marks !== undefined) writeSync(this.#marks, `${event.type} ${event.id}\n`);
  }

  async #request(what, start) {
    const id = this.#next;
    this.#next += 1;
    const request = { id, sector: 0, count: 0, fua: false, ...what };
    this.#note({ type: 'submit', ...request });
    await start(request);
    this.#note({ type: 'ack', ...request, entries: writeLogState('logged').entries });
  }

  flush() {
    return this.#request({ kind: 'flush' }, () => this.#blk.flush());
  }

  /** `fua` is what the request asks for, `sent` what the backend hears. */
  write(sector, count, { fua = false, sent = fua } = {}) {
    const what = { kind: 'write', sector, count, fua: fua || !this.#writeCache };
    return this.#request(what, ({ id }) =>
      this.#blk.pwrite(sector * SECTOR, contentOf(id, sector, count), { fua: sent }),
    );
  }

  zero(sector, count, fua = false) {
    const what = { kind: 'zero', sector, count, fua: fua || !this.#writeCache };
    return this.#request(what, () =>
      this.#blk.pwriteZeroes(sector * SECTOR, count * SECTOR, { fua }),
    );
  }

  #range(lane) {
    const count = 1 + this.#random(MOST_SECTORS);
    return [lane * laneSectors + this.#random(laneSectors - count + 1), count];
  }

  #step(lane) {
    const dice = this.#random(100);
    // Off for short times only: what is durable at once cannot be lost.
    if (dice % (this.#writeCache ? 50 : 5) === 0) this.#toggleWriteCache();
    if (dice < 6) return this.flush();
    const range = this.#range(lane);
    if (dice < 18) return this.zero(...range, dice < 8);
    if (dice < 25) return this.write(...range, { fua: true });
    return this.write(...range);
  }

  #toggleWriteCache() {
    this.#writeCache = !this.#writeCache;
    this.#blk.writeCache = this.#writeCache;
  }

  async #lane(lane, until) {
    while (this.#next < until) await this.#step(lane);
  }

  async run(until) {
    await Promise.all(Array.from({ length: lanes }, (_, lane) => this.#lane(lane, until)));
    if (!this.#writeCache) this.#toggleWriteCache();
  }

  /** One plain write in each lane. */
  async plain() {
    for (let lane = 0; lane < lanes; lane += 1) await this.write(...this.#range(lane));
  }

  /** A moment with known requests, where something can be left out. */
  async window() {
    const silent = { 'flush:log': 'logged', 'flush:file': 'image', 'fua:file': 'image' }[drop];
    // A reopen flushes first.
    if (silent !== undefined) await noFlush(silent, true);
    await this.plain();
    if (drop === 'fua:file') await this.write(...this.#range(0), { fua: true });
    else if (drop === 'fua:request')
      await this.write(...this.#range(0), { fua: true, sent: false });
    else await this.flush();
    // What follows gives a crash the time to come before anything is flushed again.
    await this.plain();
    if (silent === undefined) return;
    await noFlush(silent, false);
    // The reopen's own flush was left out, too: without a write after it the next one has nothing to do.
    await this.plain();
  }
}

const NODES = {
  image: { driver: 'file', 'node-name': 'image', filename: image },
  log: { driver: 'file', 'node-name': 'log', filename: log },
  logged: { driver: 'blklogwrites', 'node-name': 'logged' },
};

/** Switches flushes of a node (and of what inherits from it) off or on. */
function noFlush(name, value) {
  return blockdevReopen([{ ...NODES[name], cache: { 'no-flush': value } }]);
}

async function main() {
  const context = new AioContext({ aio: settings.aio, home: settings.home });
  const options = { ...NODES.logged, file: NODES.image, log: NODES.log };
  const blk = await BlockBackend.open(options, { context });
  const workload = new Workload(blk);
  const before = context.info().submitted.fdatasync;
  await workload.run(Math.floor(steps / 2));
  await workload.window();
  await workload.run(steps);
  const { ringSubmissions } = context.info();
  const save = (fdatasyncs) => {
    const { events } = workload;
    const ringWrites = ringSubmissions > 0; // it reads nothing
    writeFileSync(settings.events, JSON.stringify({ events, fdatasyncs, ringWrites }));
  };
  if (settings.kill) {
    save(0);
    process.kill(process.pid, 'SIGKILL');
  }
  await blk.close();
  const { fdatasync } = context.info().submitted;
  await context.close();
  save(fdatasync - before);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
