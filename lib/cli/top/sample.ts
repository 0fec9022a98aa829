// What a monitor knows of its drives at one moment, and what lies between two such moments.

import type { QmpClient } from '../../qmp/client.js';

interface Stats {
  readonly rd_bytes: number;
  readonly wr_bytes: number;
  readonly rd_operations: number;
  readonly wr_operations: number;
  readonly flush_operations: number;
  readonly rd_total_time_ns: number;
  readonly wr_total_time_ns: number;
  readonly flush_total_time_ns: number;
}

interface BlockStats {
  readonly device?: string;
  readonly qdev?: string;
  readonly 'node-name'?: string;
  readonly stats: Stats;
}

interface Activity {
  readonly device: string;
  readonly qdev?: string;
  readonly 'in-flight': number;
  readonly throttled: number;
  readonly 'throttled-ns': number;
}

interface Drive {
  readonly stats: Stats;
  /** Of monitors of ours only. */
  readonly activity: Activity | undefined;
}

export interface Sample {
  /** Of a monotonic clock, in ms. */
  readonly time: number;
  readonly drives: ReadonlyMap<string, Drive>;
}

/** Between two samples. */
export interface DriveRates {
  readonly name: string;
  /** Per second. */
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Mean, in ns; undefined: nothing was done. */
  readonly latency: number | undefined;
  /** Now; undefined where the monitor does not tell. */
  readonly inFlight: number | undefined;
  readonly throttled: number | undefined;
  /** How long requests waited for limits, in ns, per second. */
  readonly throttledNs: number | undefined;
}

const ACTIVITY = 'x-query-block-activity';

const nameOf = ({ device, qdev, 'node-name': node }: Partial<BlockStats>): string =>
  [device, qdev, node].find((name) => name !== undefined && name !== '') ?? '?';

/** Takes samples of one monitor. */
export class Sampler {
  readonly #client: QmpClient;
  readonly #tellsActivity: boolean;

  private constructor(client: QmpClient, tellsActivity: boolean) {
    this.#client = client;
    this.#tellsActivity = tellsActivity;
  }

  static async of(client: QmpClient): Promise<Sampler> {
    const commands = (await client.execute('query-commands')) as { readonly name: string }[];
    return new Sampler(
      client,
      commands.some(({ name }) => name === ACTIVITY),
    );
  }

  async take(): Promise<Sample> {
    const stats = (await this.#client.execute('query-blockstats')) as BlockStats[];
    const activities = this.#tellsActivity
      ? ((await this.#client.execute(ACTIVITY)) as Activity[])
      : [];
    const drives = stats.map((one): [string, Drive] => {
      const activity = activities.find(
        ({ device, qdev }) => device === (one.device ?? '') && qdev === one.qdev,
      );
      return [nameOf(one), { stats: one.stats, activity }];
    });
    return { time: performance.now(), drives: new Map(drives) };
  }
}

function totalsOf(stats: Stats): { readonly operations: number; readonly time: number } {
  return {
    operations: stats.rd_operations + stats.wr_operations + stats.flush_operations,
    time: stats.rd_total_time_ns + stats.wr_total_time_ns + stats.flush_total_time_ns,
  };
}

/** Of drives that are in both. */
export function ratesBetween(before: Sample, after: Sample): DriveRates[] {
  const seconds = Math.max((after.time - before.time) / 1000, 1e-6);
  return [...after.drives].flatMap(([name, { stats, activity }]) => {
    const earlier = before.drives.get(name);
    if (earlier === undefined) return [];
    const rate = (field: keyof Stats): number => (stats[field] - earlier.stats[field]) / seconds;
    const [from, to] = [totalsOf(earlier.stats), totalsOf(stats)];
    const operations = to.operations - from.operations;
    const waited = (activity?.['throttled-ns'] ?? 0) - (earlier.activity?.['throttled-ns'] ?? 0);
    return [
      {
        name,
        reads: rate('rd_operations'),
        writes: rate('wr_operations'),
        readBytes: rate('rd_bytes'),
        writtenBytes: rate('wr_bytes'),
        latency: operations > 0 ? (to.time - from.time) / operations : undefined,
        inFlight: activity?.['in-flight'],
        throttled: activity?.throttled,
        throttledNs: activity && waited / seconds,
      },
    ];
  });
}
