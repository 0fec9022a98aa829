// The same loop for every side that JavaScript drives: lanes, each with one request under way.

const WARM_UP_MS = 300;
/** Reading the clock costs as much as a small part of a request. */
const REQUESTS_PER_LOOK = 16;

/** What all lanes of a run share: they stop at a time or after a number of requests. */
class Progress {
  requests = 0;
  #deadline;
  #most;

  constructor({ milliseconds = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY }) {
    this.#deadline = performance.now() + milliseconds;
    this.#most = most;
  }

  /** Counts the requests between two looks; whether there are to be more. */
  goesOn() {
    this.requests += REQUESTS_PER_LOOK;
    return this.requests < this.#most && performance.now() < this.#deadline;
  }
}

/** `request(buffer, offset)` gives a promise. */
async function promiseLane(request, buffer, nextOffset, progress) {
  do {
    for (let i = 0; i < REQUESTS_PER_LOOK; i += 1) await request(buffer, nextOffset());
  } while (progress.goesOn());
}

/** `request(buffer, offset, done)` calls `done(error)`; one closure for all requests of a lane. */
function callbackLane(request, buffer, nextOffset, progress) {
  return new Promise((resolve, reject) => {
    let left = REQUESTS_PER_LOOK;
    function done(error) {
      if (error) {
        reject(error);
        return;
      }
      left -= 1;
      if (left === 0) {
        left = REQUESTS_PER_LOOK;
        if (!progress.goesOn()) {
          resolve();
          return;
        }
      }
      request(buffer, nextOffset(), done);
    }
    request(buffer, nextOffset(), done);
  });
}

/** `request(buffer, offset)` returns when it is done. */
function syncLane(request, buffer, nextOffset, progress) {
  do {
    for (let i = 0; i < REQUESTS_PER_LOOK; i += 1) request(buffer, nextOffset());
  } while (progress.goesOn());
}

const LANES = { promise: promiseLane, callback: callbackLane, sync: syncLane };

async function run(lanes, stop) {
  const progress = new Progress(stop);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  await Promise.all(lanes.map((lane) => lane(progress)));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const { requests } = progress;
  return {
    requests,
    seconds,
    iops: requests / seconds,
    /** Of the whole process, the kernel's workers for it included. */
    cpu_us_per_io: (user + system) / requests,
    system_us_per_io: system / requests,
    /** By Little's law. */
    latency_us: (lanes.length * seconds * 1e6) / requests,
  };
}

/**
 * A load of `depth` requests under way, by the API form `api`. `makeBuffer()` gives the memory of a
 * lane, `requestOf(lane)` its requests. Returns what runs it for so many milliseconds, or with
 * `{ most }` until so many requests are done.
 */
export function makeLoad({ api = 'promise', depth, nextOffset }, makeBuffer, requestOf) {
  const lanes = Array.from({ length: depth }, (_, lane) => {
    const buffer = makeBuffer();
    const request = requestOf(lane);
    return (progress) => LANES[api](request, buffer, nextOffset, progress);
  });
  return (stop) => run(lanes, typeof stop === 'number' ? { milliseconds: stop } : stop);
}

/**
 * JavaScript heap that a request takes from the young generation, in bytes. Needs --expose-gc and a
 * young generation that holds all of a run.
 */
async function heapPerRequest(load, most) {
  await load({ most });
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const { requests } = await load({ most });
  return { requests, heap_per_io: (process.memoryUsage().heapUsed - before) / requests };
}

/**
 * Runs a load as the settings of a side say: warmed up and for a time, or with `most` a number of
 * requests, or with `heap` twice that.
 */
export async function measureLoad(load, { seconds, most, heap }) {
  if (heap) return heapPerRequest(load, most);
  if (most !== undefined) return load({ most });
  await load(WARM_UP_MS);
  return load(seconds * 1000);
}
