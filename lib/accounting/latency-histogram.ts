/** Buckets per power of two: 2^5. */
const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
/** Enough for every safe integer. */
const BUCKETS = (53 - SUB_BITS + 1) * SUB;
const TWO_32 = 2 ** 32;

function indexOf(value: number): number {
  if (value < SUB) return value;
  const width =
    value < TWO_32 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / TWO_32));
  const shift = width - 1 - SUB_BITS;
  const scaled = value < TWO_32 ? value >>> shift : Math.floor(value / 2 ** shift);
  return shift * SUB + scaled;
}

function upperEdge(index: number): number {
  if (index < SUB) return index;
  const shift = Math.floor(index / SUB) - 1;
  return ((index % SUB) + SUB + 1) * 2 ** shift - 1;
}

/**
 * Percentiles of latencies, without allocation per sample. Log-linear: every power of two is cut
 * into 32 equal buckets, so a reported percentile is at most 1/32 (3.1 %) above the true one.
 * Values are integers of nanoseconds.
 */
export class LatencyHistogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  /** Rounds to an integer; negative values (a clock that went back) count as 0. */
  add(nanoseconds: number): void {
    const value = nanoseconds < 0 ? 0 : Math.round(nanoseconds);
    const index = indexOf(value);
    this.#buckets[index] = (this.#buckets[index] as number) + 1;
    this.#count += 1;
    if (value > this.#max) this.#max = value;
  }

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  /** The upper edge of the bucket with the sample of rank ceil(fraction * count); 0 if empty. */
  percentile(fraction: number): number {
    const wanted = fraction * this.#count;
    let seen = 0;
    for (const [index, samples] of this.#buckets.entries()) {
      seen += samples;
      if (samples !== 0 && seen >= wanted) return Math.min(upperEdge(index), this.#max);
    }
    return this.#max;
  }
}
