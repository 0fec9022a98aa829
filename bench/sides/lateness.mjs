// How late a 1 ms interval is while a loop of reads at a depth keeps the process busy; depth 0 is an
// idle process. Lateness: time since the last tick, less the 1 ms that was asked for.
import { report, settings } from '../lib/child.mjs';
import { openDisk } from '../lib/disks.mjs';
import { randomOffsets } from '../lib/offsets.mjs';
import { percentile } from '../lib/statistics.mjs';

const INTERVAL_MS = 1;
const load = settings();
const { depth, seconds, bytes, blockSize } = load;

let over = false;

async function saturate(blk, buffer, nextOffset) {
  while (!over) await blk.pread(nextOffset(), buffer);
}

function startLoad(blk) {
  const nextOffset = randomOffsets(Math.floor(bytes / blockSize), blockSize);
  return Array.from({ length: depth }, () => saturate(blk, blk.allocate(blockSize), nextOffset));
}

function measure() {
  return new Promise((resolve) => {
    const late = [];
    let last = performance.now();
    const end = last + seconds * 1000;
    const timer = setInterval(() => {
      const now = performance.now();
      late.push(Math.max(0, now - last - INTERVAL_MS));
      last = now;
      if (now < end) return;
      clearInterval(timer);
      resolve(late);
    }, INTERVAL_MS);
  });
}

const blk = await openDisk(load);
const lanes = startLoad(blk);
const late = await measure();
over = true;
await Promise.all(lanes);
await blk.close();
report({ p99: percentile(late, 0.99), max: Math.max(...late), ticks: late.length });
