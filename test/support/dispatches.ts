// When throttled requests went on, in virtual time, to the nanosecond.
import { type AioContext, type BlockBackend, ThrottleGroup } from '../../lib/index.js';
import { turn } from './waiting.js';

export const MS = 1_000_000;
export const SECOND = 1_000_000_000;

/** Requests of one virtual context that take no time of their own. */
export class Dispatches {
  /** In the order in which they were done. */
  readonly log: { readonly name: string; readonly when: number }[] = [];
  readonly #context: AioContext;

  constructor(context: AioContext) {
    this.#context = context;
  }

  get now(): number {
    return this.#context.info().now ?? 0;
  }

  /** Notes when the request is done. */
  note(name: string, request: Promise<unknown>): void {
    request.then(
      () => this.log.push({ name, when: this.now }),
      (error: { code: string }) => this.log.push({ name: `${name} ${error.code}`, when: this.now }),
    );
  }

  /** `count` reads of `bytes` bytes. */
  reads(name: string, blk: BlockBackend, count: number, bytes = 512): void {
    const buffer = Buffer.alloc(bytes);
    for (let index = 0; index < count; index += 1) this.note(name, blk.pread(0, buffer));
  }

  /** Moves the clock to each moment at which a group lets somebody go, and not past `end`. */
  async advanceTo(end: number): Promise<void> {
    await this.#settle();
    for (let left = end - this.now; left > 0; left = end - this.now) {
      await this.#context.advance(Math.min(left, this.#untilNext()));
      await this.#settle();
    }
  }

  get times(): number[] {
    return this.log.map(({ when }) => when);
  }

  get order(): string {
    return this.log.map(({ name }) => name).join(' ');
  }

  timesOf(name: string): number[] {
    return this.log.filter((entry) => entry.name === name).map(({ when }) => when);
  }

  #untilNext(): number {
    const waits = ThrottleGroup.all()
      .flatMap((group) => Object.values(group.info()['throttled-for']))
      .filter((wait) => wait !== undefined);
    return Math.min(...waits);
  }

  /** What is done now is told of within a few turns. */
  async #settle(): Promise<void> {
    await turn();
    await turn();
  }
}
