import type { PlannedRequest, Range } from './request-plan.js';

/** Blocks per chunk: 4 MiB of image. */
const CHUNK = 1024;

/** Which request wrote each block last. Takes memory only where something was written. */
export class GenerationMap {
  readonly #chunks = new Map<number, Uint32Array>();
  readonly #blocks: number;

  constructor(blocks: number) {
    this.#blocks = blocks;
  }

  record({ first, blocks, generation }: PlannedRequest): void {
    for (let block = first; block < first + blocks; block += 1) {
      this.#chunk(Math.floor(block / CHUNK))[block % CHUNK] = generation;
    }
  }

  /** 0: never written. */
  get(block: number): number {
    return this.#chunks.get(Math.floor(block / CHUNK))?.[block % CHUNK] ?? 0;
  }

  /** How many blocks were written at least once. */
  get written(): number {
    let written = 0;
    for (const chunk of this.#chunks.values()) {
      for (const generation of chunk) if (generation !== 0) written += 1;
    }
    return written;
  }

  /** Everything, cut into ranges of `size()` blocks; without `unwritten`, what was written. */
  *ranges(size: () => number, unwritten: boolean): Generator<Range, undefined> {
    for (const chunk of this.#chunkNumbers(unwritten)) {
      const end = Math.min((chunk + 1) * CHUNK, this.#blocks);
      for (let first = chunk * CHUNK; first < end; ) {
        const blocks = this.#run(first, Math.min(first + size(), end), unwritten);
        if (blocks > 0) yield { first, blocks };
        first += Math.max(1, blocks);
      }
    }
    return undefined;
  }

  /** How many blocks from `first` on, and before `end`, belong into a range. */
  #run(first: number, end: number, unwritten: boolean): number {
    if (unwritten) return end - first;
    let next = first;
    while (next < end && this.get(next) !== 0) next += 1;
    return next - first;
  }

  #chunkNumbers(unwritten: boolean): Iterable<number> {
    if (unwritten) return Array(Math.ceil(this.#blocks / CHUNK)).keys();
    return [...this.#chunks.keys()].sort((a, b) => a - b);
  }

  #chunk(number: number): Uint32Array {
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK);
      this.#chunks.set(number, chunk);
    }
    return chunk;
  }
}
