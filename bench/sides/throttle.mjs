// Reads of one size as fast as one limit lets them go, for some seconds: the rate that comes out, and
// how late requests go. The first 100 ms, when what a bucket holds goes at once, do not count.
import { BlockBackend } from 'block-backend';
import { report, settings } from '../lib/child.mjs';
import { LIMITERS } from '../lib/limiters.mjs';
import { percentile } from '../lib/statistics.mjs';

const { image, limiter, unit, limit, bytes, seconds, depth, members, reapply } = settings();
const BURST_MS = 100;
const units = unit === 'bps' ? bytes : 1;
const limits = { [`${unit}-total`]: limit };

const other = limiter === 'ours' ? undefined : LIMITERS[limiter](limit);

/**
 * One read into each buffer before any limit: the first touch of 64 buffers of 4 MiB has the kernel
 * zero 256 MiB, which would make what a bucket holds late and count it after its 100 ms.
 */
async function touchedBuffers(blk) {
  const buffers = Array.from({ length: depth }, () => blk.allocate(bytes));
  for (const buffer of buffers) await blk.pread(0, buffer);
  return buffers;
}

async function openMember() {
  const blk = await BlockBackend.open({
    driver: 'raw',
    'read-only': true,
    file: { driver: 'file', filename: image },
  });
  const buffers = await touchedBuffers(blk);
  if (other === undefined) {
    blk.ioLimitsEnable('bench');
    blk.setIoLimits(limits);
  }
  return { blk, buffers };
}

const disks = await Promise.all(Array.from({ length: members }, openMember));
/** When requests were done, of each member, in ms since the start. */
const done = disks.map(() => []);
const start = performance.now();

async function load(index, buffer) {
  const { blk } = disks[index];
  while (performance.now() - start < seconds * 1000) {
    if (other !== undefined) await other.admit(units);
    await blk.pread(0, buffer);
    done[index].push(performance.now() - start);
  }
}

const again = reapply ? setInterval(() => disks[0].blk.setIoLimits(limits), BURST_MS) : undefined;
const loads = disks.flatMap(({ buffers }, index) => buffers.map((buffer) => load(index, buffer)));
await Promise.race([
  Promise.all(loads),
  new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
]);
clearInterval(again);

/** Of whole gaps between requests, since a second may see one only. */
function rateOf(times) {
  const counted = times.filter((time) => time >= BURST_MS && time <= seconds * 1000);
  if (counted.length < 2) return 0;
  return ((counted.length - 1) * units * 1000) / (counted.at(-1) - counted[0]);
}

/** Behind the moment at which what went before has leaked to what a bucket without a burst holds. */
function latenessOf(times) {
  return times.map((time, index) => {
    const due = ((index * units - limit / 10) * 1000) / limit;
    return time - Math.max(0, due);
  });
}

const all = done.flat().sort((a, b) => a - b);
const counts = done.map((times) => times.filter((time) => time >= BURST_MS).length);
report({
  rate: rateOf(all),
  lateP99: all.length > 0 ? percentile(latenessOf(all), 0.99) : undefined,
  requests: all.length,
  least: Math.min(...counts),
  most: Math.max(...counts),
});
// What still waits would keep the process.
process.exit(0);
