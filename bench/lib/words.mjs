// How values of rows are written, in tables, pages and pictures.
const digits = (value) => value.toFixed(Math.abs(value) < 10 ? 2 : 1);
const whole = (value) => Math.round(value).toLocaleString('en-US');

/** What the sides themselves have, by metric. */
const ABSOLUTE = {
  iops: (value) => `${whole(value)}/s`,
  latency_us: (value) => `${digits(value)} us`,
  cpu_us_per_io: (value) => `${digits(value)} us`,
  p99: (value) => `${digits(value)} ms`,
  ms: (value) => `${digits(value)} ms`,
  resident: (value) => `${whole(value)} B`,
  heap: (value) => `${whole(value)} B`,
  calls: whole,
};

export const absolute = ({ metric }, value) => (value === undefined ? '' : ABSOLUTE[metric](value));

function number(unit, value) {
  return unit === 'B' || unit === '' ? whole(value) : digits(value);
}

/** '1.30 x' */
export const result = ({ unit }, value) => `${number(unit, value)} ${unit}`.trim();

/** '1.20 to 1.40'; nothing when a single run has no interval. */
export function interval({ unit, interval: { low, high }, pairs }) {
  return pairs < 2 ? '' : `${number(unit, low)} to ${number(unit, high)}`;
}

export const target = (row) =>
  row.target === undefined ? '' : `${row.target.at} ${row.target.value} ${row.unit}`.trim();

export const met = (row) => (row.met === undefined ? '' : row.met ? 'yes' : 'NO');

export const cpu = (value) => (value === undefined ? '' : digits(value));

/** '0.80 (0.55)': what of it the kernel takes, where that is known. */
export function cpuWithSystem({ cpu_us_per_io: all, system_us_per_io: system }, side) {
  if (all[side] === undefined) return '';
  return system?.[side] === undefined ? cpu(all[side]) : `${cpu(all[side])} (${cpu(system[side])})`;
}

/** 'promise, pool' */
export const form = ({ api, memory }) => `${api}, ${memory}`;

export const why = ({ skipped, failed }) =>
  skipped === undefined ? `failed: ${failed}` : `skipped: ${skipped}`;

/** '7 pairs of runs of 1.5 s' */
export function pace({ pairs, seconds, busy }) {
  const runs = `${pairs} ${pairs === 1 ? 'pair' : 'pairs'} of runs of ${seconds} s`;
  return busy ? `${runs} on a busy machine: not for conclusions` : runs;
}
