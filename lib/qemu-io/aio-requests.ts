/** Requests that commands have started; their outcome is told when there is one. */
export class AioRequests {
  readonly #pending = new Set<Promise<void>>();

  get count(): number {
    return this.#pending.size;
  }

  /** @param report tells the outcome; what it throws comes out of the next `finished()`. */
  start(
    request: Promise<number>,
    report: (result: number) => void,
    failed: (error: unknown) => void,
  ): void {
    const told = request.then(report, failed).finally(() => this.#pending.delete(told));
    this.#pending.add(told);
  }

  /** All that were started before have been told about. */
  async finished(): Promise<void> {
    await Promise.all(this.#pending);
  }
}
