// Random numbers that a seed repeats.

export type Random = (below: number) => number;

/** A small generator of numbers: same seed, same numbers. */
export function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The seed of a test: BLOCK_BACKEND_TEST_SEED or a new one. */
export function chooseSeed(): number {
  const given = process.env.BLOCK_BACKEND_TEST_SEED;
  return given === undefined ? 1 + Math.floor(Math.random() * 2 ** 31) : Number(given);
}
