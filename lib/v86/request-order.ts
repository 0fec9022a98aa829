// Order between requests that overlap.

interface Range {
  readonly start: number;
  readonly end: number;
  readonly isWrite: boolean;
  /** Resolves when the request has ended, however. */
  readonly ended: Promise<void>;
}

/** Writes and what overlaps them run one after the other, in the order of their calls. */
export class RequestOrder {
  readonly #running = new Set<Range>();

  /** How many requests have not ended. */
  get size(): number {
    return this.#running.size;
  }

  /** Starts `request` when all earlier ones that conflict with it have ended; it must not reject. */
  run<T>(start: number, length: number, isWrite: boolean, request: () => Promise<T>): Promise<T> {
    const end = start + length;
    const earlier = [...this.#running]
      .filter((other) => isWrite || other.isWrite)
      .filter((other) => other.start < end && start < other.end)
      .map((other) => other.ended);
    const result = earlier.length === 0 ? request() : Promise.all(earlier).then(request);
    const range: Range = { start, end, isWrite, ended: result.then(() => this.#end(range)) };
    this.#running.add(range);
    return result;
  }

  /** Resolves when nothing is under way, also not what begins meanwhile. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.all([...this.#running].map(({ ended }) => ended));
    }
  }

  #end(range: Range): void {
    this.#running.delete(range);
  }
}
