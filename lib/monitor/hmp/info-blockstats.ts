// What the human monitor says of statistics (HMP: info blockstats).

import type { BlockDeviceStats } from '../../accounting/block-stats.js';
import { queryBlockstats } from '../query-blockstats.js';

/** In the order of the line. */
const FIELDS = [
  'rd_bytes',
  'wr_bytes',
  'rd_operations',
  'wr_operations',
  'flush_operations',
  'wr_total_time_ns',
  'rd_total_time_ns',
  'flush_total_time_ns',
  'rd_merged',
  'wr_merged',
  'idle_time_ns',
] as const satisfies readonly (keyof BlockDeviceStats)[];

/** One line for each drive; empty without any. (HMP: info blockstats) */
export function infoBlockstats(): string {
  return queryBlockstats()
    .map(
      ({ device = '', stats }) =>
        `${device}:${FIELDS.map((name) => field(stats, name)).join('')}\n`,
    )
    .join('');
}

function field(stats: BlockDeviceStats, name: (typeof FIELDS)[number]): string {
  return ` ${name}=${stats[name] ?? 0}`;
}
