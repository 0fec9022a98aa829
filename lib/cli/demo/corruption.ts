/** A place that does not hold what it must. */
export interface Corruption {
  /** In bytes. */
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
}

const KEPT = 8;

/** Counts all, keeps the first ones by offset. */
export class CorruptionList {
  #count = 0;
  #kept: Corruption[] = [];

  add(corruption: Corruption): void {
    this.#count += 1;
    this.#kept.push(corruption);
    this.#kept.sort((a, b) => a.offset - b.offset);
    this.#kept = this.#kept.slice(0, KEPT);
  }

  get count(): number {
    return this.#count;
  }

  get first(): readonly Corruption[] {
    return this.#kept;
  }
}
