import { LatencyHistogram } from '../../accounting/latency-histogram.js';
import { Random } from '../shared/random.js';
import { type BenchOptions, isRandom } from './options.js';

const WORDS_PER_SECTOR = 512 / 4;

/** What a load measured. Latencies in ns. */
export interface LoadResult {
  readonly requests: number;
  readonly bytes: number;
  readonly elapsedNs: number;
  readonly checksum: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * What all lanes of a load share: where the next request goes, and what came of the earlier ones.
 * Nothing here allocates per request, and the clock is read once per request.
 */
export class Load {
  over = false;
  requests = 0;
  /** Sum, modulo 2^32, of the first 32-bit word of every 512 bytes that were read. */
  checksum = 0;
  readonly #latency = new LatencyHistogram();
  readonly #random: Random;
  readonly #blockSize: number;
  readonly #blocks: number;
  readonly #isRandom: boolean;
  readonly #rw: BenchOptions['rw'];
  readonly #start = performance.now();
  readonly #deadline: number;
  #sequential = 0;

  constructor({ rw, bs, seed, runtime }: BenchOptions, blocks: number) {
    this.#rw = rw;
    this.#isRandom = isRandom(rw);
    this.#blockSize = bs;
    this.#blocks = blocks;
    this.#random = new Random(seed);
    this.#deadline = this.#start + runtime * 1000;
  }

  /** In bytes. */
  nextOffset(): number {
    if (this.#isRandom) return this.#random.below(this.#blocks) * this.#blockSize;
    const block = this.#sequential;
    this.#sequential = block + 1 === this.#blocks ? 0 : block + 1;
    return block * this.#blockSize;
  }

  /** Whether the next request writes; 'randrw' means every second one, by chance. */
  nextWrites(): boolean {
    if (this.#rw === 'randrw') return (this.#random.word() & 1) !== 0;
    return this.#rw === 'write' || this.#rw === 'randwrite';
  }

  /** Counts a request; `words` is what it read. Returns the time, when the next one starts. */
  finished(start: number, words: Uint32Array | undefined): number {
    const now = performance.now();
    this.#latency.add((now - start) * 1e6);
    this.requests += 1;
    if (words !== undefined) this.#addWords(words);
    if (now >= this.#deadline) this.over = true;
    return now;
  }

  #addWords(words: Uint32Array): void {
    let sum = this.checksum;
    for (let at = 0; at < words.length; at += WORDS_PER_SECTOR) {
      sum = (sum + (words[at] as number)) | 0;
    }
    this.checksum = sum;
  }

  result(): LoadResult {
    return {
      requests: this.requests,
      bytes: this.requests * this.#blockSize,
      elapsedNs: (performance.now() - this.#start) * 1e6,
      checksum: this.checksum >>> 0,
      p50: this.#latency.percentile(0.5),
      p99: this.#latency.percentile(0.99),
      max: this.#latency.max,
    };
  }
}
