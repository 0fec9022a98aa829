// Copies an image at no more than so many MiB per second, zeroes left out, and shows how far it is.
//
//   node examples/throttled-copy.mjs disk.img copy.img 8
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockBackend, createImage } from 'block-backend';

const [from, to, rate = '8'] = process.argv.slice(2);
if (to === undefined) {
  console.error('usage: node examples/throttled-copy.mjs SOURCE TARGET [MiB/s]');
  process.exit(2);
}

const CHUNK = 256 * 1024;
const LANES = 4; // requests at a time

const image = (filename) => ({ driver: 'raw', file: { driver: 'file', filename } });
const source = await BlockBackend.open({ ...image(from), 'read-only': true });
const size = await source.getLength();
await createImage(to, { size });
const target = await BlockBackend.open(image(to), { name: 'copy' });
target.ioLimitsEnable('copy');
target.setIoLimits({ 'bps-write': Number(rate) * 1024 ** 2 });

let seen = 0;
let copied = 0;

/** What has to be copied, in pieces of at most CHUNK bytes. */
async function* pieces() {
  while (seen < size) {
    const offset = seen;
    const { bytes, zero } = await source.blockStatus(offset, Math.min(CHUNK, size - offset));
    seen += bytes;
    if (!zero) yield { offset, bytes };
  }
}

/** All lanes take from one list. The buffer is read into and written from without a copy. */
async function lane(work) {
  const buffer = source.allocate(CHUNK);
  for await (const { offset, bytes } of work) {
    const data = buffer.subarray(0, bytes);
    await source.pread(offset, data);
    await target.pwrite(offset, data);
    copied += bytes;
  }
}

async function showProgress(signal) {
  while (!signal.aborted) {
    const { throttled } = target.throttleInfo().write;
    const percent = Math.floor((seen / size) * 100);
    console.error(`${percent} %, ${copied} bytes, ${throttled} requests have waited for the limit`);
    await sleep(500, undefined, { signal }).catch(() => {});
  }
}

const done = new AbortController();
const progress = showProgress(done.signal);
const work = pieces();
await Promise.all(Array.from({ length: LANES }, () => lane(work)));
await target.flush();
done.abort();
await progress;

console.log(`copied ${copied} of ${size} bytes`);
await target.close();
await source.close();
