// This package. `disks` busy ones share the lanes, one after the other, or with `roundRobin` each
// request goes to the next of them; `idle` others are open beside them.
import { report, settings } from '../lib/child.mjs';
import { contextOf, openDisks } from '../lib/disks.mjs';
import { makeLoad, measureLoad } from '../lib/load-loop.mjs';
import { randomOffsets, sequentialOffsets } from '../lib/offsets.mjs';

const load = settings();
const { api, memory, write, sequential, blockSize, bytes, disks = 1, idle = 0, roundRobin } = load;

/** By API form: what makes the requests of a disk. */
const REQUESTS = {
  promise: write
    ? (blk) => (buffer, offset) => blk.pwrite(offset, buffer)
    : (blk) => (buffer, offset) => blk.pread(offset, buffer),
  callback: write
    ? (blk) => (buffer, offset, done) => blk.aio.pwrite(offset, buffer, done)
    : (blk) => (buffer, offset, done) => blk.aio.pread(offset, buffer, done),
  sync: write
    ? (blk) => (buffer, offset) => blk.pwriteSync(offset, buffer)
    : (blk) => (buffer, offset) => blk.preadSync(offset, buffer),
};

function requestMaker(busy) {
  if (!roundRobin) return (lane) => REQUESTS[api](busy[lane % busy.length]);
  const requests = busy.map((blk) => REQUESTS[api](blk));
  let next = 0;
  const request = (buffer, offset, done) => {
    next = next + 1 === requests.length ? 0 : next + 1;
    return requests[next](buffer, offset, done);
  };
  return () => request;
}

const makeOffsets = sequential ? sequentialOffsets : randomOffsets;
const nextOffset = makeOffsets(Math.floor(bytes / blockSize), blockSize);

const context = contextOf(load);
const busy = await openDisks(load, context, disks);
const others = await openDisks(load, context, idle);
const makeBuffer =
  memory === 'buffer'
    ? () => Buffer.alloc(blockSize, 0x5a)
    : () => busy[0].allocate(blockSize).fill(0x5a);
const result = await measureLoad(
  makeLoad({ ...load, nextOffset }, makeBuffer, requestMaker(busy)),
  load,
);
const { engine } = context.info();
// Closing thousands takes longer than all the rest, and ends nothing that the exit does not.
if (others.length + busy.length < 100) for (const blk of [...others, ...busy]) await blk.close();
report({ ...result, bytes: result.requests * blockSize, engine, pid: process.pid });
