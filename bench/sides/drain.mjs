// How long after the callback of the last request under way a drain resolves, over and over, at a
// depth. What the callbacks submit meanwhile parks, and goes on afterwards.
import { report, settings } from '../lib/child.mjs';
import { openDisk } from '../lib/disks.mjs';
import { randomOffsets } from '../lib/offsets.mjs';
import { percentile } from '../lib/statistics.mjs';

const BETWEEN_MS = 5;
const load = settings();
const { depth, blockSize, bytes, seconds } = load;

const blk = await openDisk(load);
const nextOffset = randomOffsets(Math.floor(bytes / blockSize), blockSize);
let last = 0;
let active = depth;
let over = false;

function startLane() {
  const buffer = blk.allocate(blockSize);
  const submit = () => blk.aio.pread(nextOffset(), buffer, done);
  function done(error) {
    if (error) throw error;
    last = performance.now();
    if (over) active -= 1;
    else submit();
  }
  submit();
}

function pause() {
  return new Promise((resolve) => {
    setTimeout(resolve, BETWEEN_MS);
  });
}

for (let lane = 0; lane < depth; lane += 1) startLane();
const late = [];
const end = performance.now() + seconds * 1000;
while (performance.now() < end) {
  await pause();
  // What completes from here on is what the drain waits for; with nothing under way, nothing.
  last = performance.now();
  await blk.drainBegin();
  late.push(performance.now() - last);
  blk.drainEnd();
}
over = true;
while (active > 0) await pause();
await blk.close();
report({ p99: percentile(late, 0.99), max: Math.max(...late), drains: late.length });
