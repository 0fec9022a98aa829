import { LatencyHistogram } from '../../accounting/latency-histogram.js';
import type { BlockBackend } from '../../block-backend.js';
import { DiskLatency } from '../shared/disk-latency.js';
import { BLOCK, MAX_BLOCKS, type Range } from './request-plan.js';

/** The memory of one request at a time. */
export interface Lane {
  readonly buffer: Buffer;
  /** The same memory. */
  readonly words: Int32Array;
}

export function makeLanes(blk: BlockBackend, depth: number): Lane[] {
  return Array.from({ length: depth }, () => {
    const buffer = blk.allocate(MAX_BLOCKS * BLOCK);
    return { buffer, words: new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4) };
  });
}

/** The part of a lane's memory that a request uses. */
export function laneBuffer({ buffer }: Lane, { blocks }: Range): Buffer {
  return buffer.subarray(0, blocks * BLOCK);
}

export interface PhaseResult {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly iops: number;
  readonly bytes_per_second: number;
  readonly latency_ns: { readonly p50: number; readonly p99: number; readonly max: number };
  /** By the statistics of the backend: the part of it that is not JavaScript's. */
  readonly disk_latency_ns: { readonly avg: number };
}

/** Counts and times the requests of one part of a run. */
export class Phase {
  requests = 0;
  bytes = 0;
  readonly #latency = new LatencyHistogram();
  readonly #diskLatency: DiskLatency;
  readonly #start = performance.now();

  constructor(blk: BlockBackend) {
    this.#diskLatency = new DiskLatency(blk);
  }

  /** Runs a request on a range and counts it when it is done. */
  async time(range: Range, request: () => Promise<number>): Promise<void> {
    const start = performance.now();
    await request();
    this.#latency.add((performance.now() - start) * 1e6);
    this.requests += 1;
    this.bytes += range.blocks * BLOCK;
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  result(): PhaseResult {
    const { requests, bytes, seconds } = this;
    const latency = this.#latency;
    return {
      requests,
      bytes,
      seconds,
      iops: requests / seconds,
      bytes_per_second: bytes / seconds,
      latency_ns: {
        p50: latency.percentile(0.5),
        p99: latency.percentile(0.99),
        max: latency.max,
      },
      disk_latency_ns: { avg: this.#diskLatency.average() },
    };
  }
}
