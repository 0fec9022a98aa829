// The stages of a backend's life. Each is a function that brings a backend there and resolves to
// what must be true when the process has ended by itself: undefined, or what is wrong.
//
//   home, aio   where its context runs, and on which engine
//   image       a file of at least 1 MiB
//   endless     what is in flight takes an hour, so only an end of the process can end it
const { AioContext, BlockBackend, ThrottleGroup } = require('block-backend');
const { controlCall } = require('../../dist/aio/control.js');
const { environment } = require('../../dist/aio/environment.js');
const { native } = require('../../dist/native.js');

const HOUR_NS = 3600e9;
const BRIEF_NS = 30e6;
const LANES = 64;
const LOAD_DEPTH = 16;
const IMAGE_BYTES = 1024 * 1024;

const context = ({ home, aio }) => new AioContext({ home, aio });
const fileOptions = ({ image }) => ({ driver: 'raw', file: { driver: 'file', filename: image } });
const slowOptions = ({ endless }) => ({
  driver: 'null-aio',
  'latency-ns': endless ? HOUR_NS : BRIEF_NS,
});

/** Whatever belongs to a stage stays referred to: nothing may end because it was collected. */
const kept = [];

/** The native handles of backends, which lib/ keeps to itself. */
const handles = new Map();

async function open(options, setup) {
  let handle = 0;
  const create = native.backendCreate.bind(native);
  native.backendCreate = (...args) => {
    handle = create(...args);
    return handle;
  };
  const blk = await BlockBackend.open(options, { context: context(setup) });
  native.backendCreate = create;
  handles.set(blk, handle);
  return blk;
}

/** Of promises that nobody waits for: how many are settled. */
function watch(promises) {
  const seen = { fulfilled: 0, rejected: 0, count: promises.length };
  for (const promise of promises) {
    promise.then(
      () => {
        seen.fulfilled += 1;
      },
      () => {
        seen.rejected += 1;
      },
    );
  }
  return seen;
}

const allDone = (seen) => () =>
  seen.fulfilled === seen.count ? undefined : `${JSON.stringify(seen)}: requests were dropped`;

/** Reads and writes in every kind of memory, plain, pooled and shared. */
function requestsOn(blk) {
  const shared = new Uint8Array(new SharedArrayBuffer(4096));
  return [
    blk.pread(0, Buffer.alloc(4096)),
    blk.pread(4096, blk.allocate(4096)),
    blk.pread(8192, shared),
    blk.preadv(0, [
      Buffer.alloc(512),
      blk.allocate(512),
      new Uint8Array(new SharedArrayBuffer(4096)),
    ]),
    blk.pwrite(16384, Buffer.alloc(1000, 1)),
    blk.pwrite(32768, blk.allocate(4096)),
  ];
}

/** On an IOThread, requests are on their way there first. */
async function allParked(blk, count) {
  while (blk.parked !== count) await new Promise(setImmediate);
}

/** Starts a load without JavaScript. */
function startLoad(handle, { endless }) {
  const load = {
    operation: 'readwrite',
    random: true,
    blockSize: 4096,
    depth: LOAD_DEPTH,
    runtimeNs: endless ? HOUR_NS : BRIEF_NS,
    seed: 1,
  };
  const done = controlCall(environment().ring, (slot) => native.loadStart(slot, handle, load));
  return watch([
    done.then((result) => {
      if (result !== 0) throw new Error(`the load failed: ${JSON.stringify(result)}`);
    }),
  ]);
}

async function nativeLoad(options, setup) {
  return startLoad(handles.get(await open(options, setup)), setup);
}

/** A second request waits for an hour and more, or for a moment. */
const limitsOf = ({ endless }) => (endless ? { 'bps-total': 1 } : { 'iops-total': 200 });

function throttle(blk, setup) {
  blk.ioLimitsEnable('throttled');
  blk.setIoLimits(limitsOf(setup));
}

const stages = {
  async created(setup) {
    kept.push(new BlockBackend({ context: context(setup) }));
    return () => undefined;
  },

  async opened(setup) {
    const blk = await open(fileOptions(setup), setup);
    await blk.pread(0, blk.allocate(4096));
    return () => undefined;
  },

  /** Requests that only a timer answers. */
  async waiting(setup) {
    const blk = await open(slowOptions(setup), setup);
    return allDone(watch(requestsOn(blk)));
  },

  /** Requests that the kernel or a worker has. */
  async 'in flight'(setup) {
    const blk = await open(fileOptions(setup), setup);
    let moving = () => {};
    const moves = new Promise((resolve) => {
      moving = resolve;
    });
    const lane = async (index) => {
      const memory = index % 2 === 0 ? blk.allocate(16384) : Buffer.alloc(16384);
      for (let count = 0; setup.endless || count < 8; count += 1) {
        const offset = ((index * 7919 + count * 104729) * 512) % (IMAGE_BYTES - memory.length);
        await (index % 3 === 0 ? blk.pwrite(offset, memory) : blk.pread(offset, memory));
        if (count === 3) moving();
      }
    };
    const seen = watch(Array.from({ length: LANES }, (_, index) => lane(index)));
    await moves;
    return allDone(seen);
  },

  async 'native load'(setup) {
    return allDone(await nativeLoad(fileOptions(setup), setup));
  },

  async 'native load without waiting'(setup) {
    return allDone(await nativeLoad({ driver: 'null-co' }, setup));
  },

  /** Requests that wait for their turn, in a backend and in a filter below it. */
  async throttled(setup) {
    new ThrottleGroup('filter', limitsOf(setup));
    const filter = { driver: 'throttle', 'throttle-group': 'filter', file: fileOptions(setup) };
    const blk = await open(filter, setup);
    throttle(blk, setup);
    return allDone(watch(requestsOn(blk)));
  },

  /** Their group's timer is in another home than some of them. */
  async 'throttled in a shared group'(setup) {
    const here = await open(fileOptions(setup), setup);
    const elsewhere = { ...setup, home: setup.home === 'node' ? 'iothread' : 'node' };
    const there = await open({ driver: 'null-co' }, elsewhere);
    throttle(here, setup);
    throttle(there, setup);
    const requests = [there, here, there].flatMap((blk) => requestsOn(blk));
    return allDone(watch(requests));
  },

  async parked(setup) {
    const blk = await open(fileOptions(setup), setup);
    kept.push(await blk.drained());
    const seen = watch(requestsOn(blk));
    return () => {
      const settled = seen.fulfilled + seen.rejected;
      return settled === 0 ? undefined : 'parked requests were settled in a drained section';
    };
  },

  /** A section over requests has ended just now: they owe their results. */
  async released(setup) {
    const blk = await open(fileOptions(setup), setup);
    const section = await blk.drained();
    const seen = watch(requestsOn(blk));
    await allParked(blk, seen.count);
    section.end();
    return allDone(seen);
  },

  /** The same for requests that were taken back. */
  async cancelled(setup) {
    const blk = await open(fileOptions(setup), setup);
    kept.push(await blk.drained());
    const abort = new AbortController();
    const read = blk.pread(0, Buffer.alloc(512), { signal: abort.signal });
    const seen = watch([read.catch((error) => error.name === 'AbortError' || Promise.reject())]);
    await allParked(blk, 1);
    abort.abort();
    return allDone(seen);
  },

  /** More requests wait in a section than are under way elsewhere. */
  async 'parked beside others'(setup) {
    const parked = await open(slowOptions(setup), setup);
    const section = await parked.drained();
    const load = startLoad(handles.get(parked), setup);
    const blk = await open(slowOptions(setup), setup);
    await allParked(parked, LOAD_DEPTH);
    const requests = Promise.all(requestsOn(blk));
    const ended = watch([requests.then(() => section.end())]);
    return () => allDone(ended)() ?? allDone(load)();
  },

  async draining(setup) {
    const blk = await open(slowOptions(setup), setup);
    const requests = watch(requestsOn(blk));
    const drained = watch([blk.drained()]);
    return () => allDone(requests)() ?? allDone(drained)();
  },

  async closing(setup) {
    const blk = await open(slowOptions(setup), setup);
    const requests = watch(requestsOn(blk));
    const closed = watch([blk.close()]);
    return () => allDone(requests)() ?? allDone(closed)();
  },
};

module.exports = { stages, fileOptions };
