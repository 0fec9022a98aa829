// A native load on an IOThread, as a device model's thread would make it, while JavaScript blocks
// for half of the time.
import { createRequire } from 'node:module';
import { report, settings } from '../lib/child.mjs';
import { contextOf, openDisk } from '../lib/disks.mjs';

// Not part of the public face: `blk bench --api native` uses it.
const { runNativeLoad } = createRequire(import.meta.url)('../../dist/exports/load.js');

const PERIOD_MS = 100;
const BLOCKED_MS = 50;
const load = settings();

let blocked = 0;
function block() {
  const end = performance.now() + BLOCKED_MS;
  while (performance.now() < end);
  blocked += BLOCKED_MS;
}

const context = contextOf(load);
const blk = await openDisk(load, context);
const timer = setInterval(block, PERIOD_MS);
const cpuBefore = process.cpuUsage();
const { requests, elapsedNs, p50, p99, max } = await runNativeLoad(blk, {
  operation: 'read',
  random: true,
  blockSize: load.blockSize,
  depth: load.depth,
  runtimeNs: Math.round(load.seconds * 1e9),
  seed: 1,
});
const { user, system } = process.cpuUsage(cpuBefore);
clearInterval(timer);
await blk.close();
const seconds = elapsedNs / 1e9;
report({
  iops: requests / seconds,
  cpu_us_per_io: Math.max(0, user + system - blocked * 1000) / requests,
  p50: p50 / 1e6,
  p99: p99 / 1e6,
  max: max / 1e6,
  blocked_ms: blocked,
});
