// What is left when there is no disk: requests that do nothing and are settled by the next tick, all of
// a turn at once, as cheaply as JavaScript can. Below this no library gets with this API.
import { report, settings } from '../lib/child.mjs';
import { makeLoad, measureLoad } from '../lib/load-loop.mjs';
import { randomOffsets } from '../lib/offsets.mjs';

const load = settings();
const waiting = [];

function settleAll() {
  for (const settle of waiting.splice(0)) settle();
}

function wait(settle) {
  if (waiting.length === 0) process.nextTick(settleAll);
  waiting.push(settle);
}

const REQUESTS = {
  promise: () => new Promise(wait),
  callback: (_buffer, _offset, done) => wait(done),
};

const nextOffset = randomOffsets(Math.floor(load.bytes / load.blockSize), load.blockSize);
const result = await measureLoad(
  makeLoad(
    { ...load, nextOffset },
    () => undefined,
    () => REQUESTS[load.api],
  ),
  load,
);
report(result);
