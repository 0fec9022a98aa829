// Where the next request goes.
export const BLOCK = 4096;

/** A generator of offsets (xorshift32), the same ones on all sides, bench/limit.c included. */
export function randomOffsets(blocks, blockSize = BLOCK) {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % blocks) * blockSize;
  };
}

/** One block after the other, round and round. */
export function sequentialOffsets(blocks, blockSize = BLOCK) {
  let block = -1;
  return () => {
    block = block + 1 === blocks ? 0 : block + 1;
    return block * blockSize;
  };
}
