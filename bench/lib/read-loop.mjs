// The same loop for every side that JavaScript drives.
export const BLOCK = 4096;

const WARM_UP_MS = 300;
/** Reading the clock costs as much as a small part of a request. */
const REQUESTS_PER_LOOK = 16;

/** A generator of offsets (xorshift32), the same ones on all sides. */
export function randomOffsets(blocks) {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % blocks) * BLOCK;
  };
}

async function lane(buffer, read, nextOffset, progress) {
  for (;;) {
    for (let i = 0; i < REQUESTS_PER_LOOK; i += 1) await read(buffer, nextOffset());
    progress.requests += REQUESTS_PER_LOOK;
    if (performance.now() >= progress.deadline) return;
  }
}

async function run(buffers, read, nextOffset, milliseconds) {
  const start = performance.now();
  const progress = { requests: 0, deadline: start + milliseconds };
  await Promise.all(buffers.map((buffer) => lane(buffer, read, nextOffset, progress)));
  return (progress.requests / (performance.now() - start)) * 1000;
}

/**
 * A loop of reads with `depth` of them under way, warmed up, that runs for so many milliseconds at a
 * time and says how many reads a second that were. `read(buffer, offset)` gives a promise;
 * `makeBuffer(bytes)` the memory that the side would use.
 */
export async function readLoop({ depth, blocks }, makeBuffer, read) {
  const buffers = Array.from({ length: depth }, () => makeBuffer(BLOCK));
  const nextOffset = randomOffsets(blocks);
  const loop = (milliseconds) => run(buffers, read, nextOffset, milliseconds);
  await loop(WARM_UP_MS);
  return loop;
}

/** Reads per second of such a loop. */
export async function readsPerSecond({ seconds, ...load }, makeBuffer, read) {
  const loop = await readLoop(load, makeBuffer, read);
  return loop(seconds * 1000);
}
