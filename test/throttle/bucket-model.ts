// A leaky bucket as section 21 of QEMU's behaviour has it, in plain data. It knows nothing of the
// package.
//
// Times are the same to the nanosecond only where the arithmetic is: double precision, and in this
// order. A leak is `rate * ns / 1e9`, a wait `excess * 1e9 / rate`, cut to whole nanoseconds.

/** QAPI's names, `bps-total` to `iops-write-max-length` and `iops-size`. Absent: off. */
export type ModelLimits = Readonly<Record<string, number>>;

const SECOND = 1e9;

export class BucketModel {
  /** Units that were let go and have not leaked yet. */
  #level = 0;
  /** The same, against the rate inside a burst that is longer than a second. */
  #burst = 0;
  #average = 0;
  #max = 0;
  #length = 1;

  /** The bucket `name` of `limits`. What is in it stays, as far as it fits (docs/differences.md). */
  configure(limits: ModelLimits, name: string): void {
    const before = { average: this.#average, max: this.#max };
    const [size, burstSize] = [this.#size, this.#burstSize];
    this.#average = limits[name] ?? 0;
    this.#max = limits[`${name}-max`] ?? 0;
    this.#length = limits[`${name}-max-length`] ?? 1;
    this.#level = kept(this.#level, size, this.#size, this.#average / before.average);
    this.#burst = kept(this.#burst, burstSize, this.#burstSize, this.#max / before.max);
    // What it saw while it limited nothing, it never held.
    if (before.average === 0) this.#level = 0;
    if (before.average === 0 || this.#length === 1) this.#burst = 0;
  }

  /** When limits of the group go from off to on. */
  empty(): void {
    this.#level = 0;
    this.#burst = 0;
  }

  leak(ns: number): void {
    this.#level = Math.max(0, this.#level - (this.#average * ns) / SECOND);
    if (this.#length > 1) this.#burst = Math.max(0, this.#burst - (this.#max * ns) / SECOND);
  }

  pour(units: number): void {
    this.#level += units;
    if (this.#length > 1) this.#burst += units;
  }

  /** Nanoseconds. */
  wait(): number {
    if (this.#average === 0) return 0;
    if (this.#level > this.#size) {
      return Math.trunc(((this.#level - this.#size) * SECOND) / this.#average);
    }
    if (this.#length === 1 || this.#burst <= this.#burstSize) return 0;
    return Math.trunc(((this.#burst - this.#burstSize) * SECOND) / this.#max);
  }

  get #size(): number {
    return this.#max === 0 ? this.#average / 10 : this.#max * this.#length;
  }

  get #burstSize(): number {
    return this.#max / 10;
  }
}

/** What is within the size is cut to the new one; a debt beyond it stays one of the same time. */
function kept(level: number, size: number, newSize: number, faster: number): number {
  const within = Math.min(level, size);
  const debt = level - within;
  return Math.min(within, newSize) + (debt === 0 ? 0 : debt * Math.min(1, faster));
}
