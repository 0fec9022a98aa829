import type { BlockBackend } from '../../block-backend.js';

interface Totals {
  readonly requests: number;
  readonly time: number;
}

function totalsOf({ stats }: BlockBackend): Totals {
  return {
    requests: stats.rd_operations + stats.wr_operations,
    time: stats.rd_total_time_ns + stats.wr_total_time_ns,
  };
}

/** How long reads and writes took by the statistics of their backend: without JavaScript's part. */
export class DiskLatency {
  readonly #blk: BlockBackend;
  readonly #before: Totals;

  /** @param blk accounts its requests. */
  constructor(blk: BlockBackend) {
    this.#blk = blk;
    this.#before = totalsOf(blk);
  }

  /** The mean since this was made, in ns; 0 without a request. */
  average(): number {
    const now = totalsOf(this.#blk);
    const requests = now.requests - this.#before.requests;
    return requests === 0 ? 0 : (now.time - this.#before.time) / requests;
  }
}
