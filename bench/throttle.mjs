// `npm run bench:throttle`: how exactly limits are kept in real time, beside two other limiters.
import { runSide } from './lib/child.mjs';
import { parseFlags } from './lib/flags.mjs';
import { readIntoCache, withImage } from './lib/image.mjs';
import { log, printTable, report, run } from './lib/report.mjs';

const KIB = 1024;
const MIB = 1024 ** 2;
const SIZES = [512, 4 * KIB, 64 * KIB, MIB, 4 * MIB];
const BYTES = [64 * KIB, MIB, 64 * MIB, 1024 * MIB];
const OPERATIONS = [1, 10, 1000, 10_000, 100_000];
const PEERS = ['firecracker', 'cloud-hypervisor'];
/** Percent. */
const RATE_LIMIT = 1;
const SHARE_LIMIT = 5;
/** Requests a second, for a rate to be seen and to be reached. */
const SLOWEST = 1;
const FASTEST = 150_000;

const USAGE = `Usage: npm run bench:throttle -- [--quick] [--check] [--json]

Reads a cached file as fast as limits permit, and compares the rate with the limit:
this package, and token buckets as Firecracker and cloud-hypervisor have them.

  --quick  short runs of few limits: for trying out, not for conclusions
  --only   just the rows whose names contain this, such as '1024 MiB/s'
  --check  exit with 1 if a target was missed
  --json   print the rows as JSON
`;

const FOOTNOTE = `Deviation from the limit, without the first 100 ms. p99 late: until the read is done,
after the moment at which the limit lets it go. Peers: the same reads behind their
algorithm in JavaScript, buckets of a second's worth.
`;

function cases(quick) {
  const bytes = BYTES.flatMap((limit) =>
    SIZES.map((size) => ({ unit: 'bps', limit, bytes: size })),
  );
  const operations = OPERATIONS.flatMap((limit) =>
    [512, 64 * KIB].map((size) => ({ unit: 'iops', limit, bytes: size })),
  );
  const isSeen = ({ unit, limit, bytes: size }) => {
    const rate = unit === 'bps' ? limit / size : limit;
    const throughput = unit === 'bps' ? limit : limit * size;
    return rate >= SLOWEST && rate <= FASTEST && throughput <= 1024 * MIB;
  };
  const all = [...bytes, ...operations].filter(isSeen);
  return quick ? all.filter((_, index) => index % 8 === 0) : all;
}

function nameOf({ unit, limit, bytes }) {
  const size = (value) => (value < MIB ? `${value / KIB} KiB` : `${value / MIB} MiB`);
  const rate = unit === 'bps' ? `${size(limit)}/s` : `${limit.toLocaleString('en-US')} op/s`;
  return `${rate}, reads of ${size(bytes)}`;
}

const percentOff = (rate, limit) => (rate / limit - 1) * 100;

async function rateRow(one, common) {
  const depth = 64;
  const run = (limiter) => runSide('throttle', { ...common, ...one, limiter, depth, members: 1 });
  const ours = await run('ours');
  const off = percentOff(ours.rate, one.limit);
  const row = { name: nameOf(one), off, late: ours.lateP99, met: Math.abs(off) <= RATE_LIMIT };
  for (const peer of PEERS) row[peer] = percentOff((await run(peer)).rate, one.limit);
  return row;
}

const SHARED = 'eight members, most to least';

async function sharedRow(common) {
  const one = { unit: 'iops', limit: 1000, bytes: 4 * KIB, limiter: 'ours', depth: 8, members: 8 };
  const { least, most, lateP99 } = await runSide('throttle', { ...common, ...one });
  const off = (most / least - 1) * 100;
  return { name: SHARED, off, late: lateP99, met: off <= SHARE_LIMIT };
}

const REAPPLIED = '1,000 op/s, set again ten times a second';

async function reapplyRow(common) {
  const one = { unit: 'iops', limit: 1000, bytes: 4 * KIB, limiter: 'ours', depth: 64, members: 1 };
  const { rate, lateP99 } = await runSide('throttle', { ...common, ...one, reapply: true });
  const off = percentOff(rate, one.limit);
  return { name: REAPPLIED, off, late: lateP99, met: Math.abs(off) <= RATE_LIMIT };
}

async function measure({ seconds, quick, only = '' }, image) {
  const common = { image, seconds };
  const all = [
    ...cases(quick).map((one) => ({ name: nameOf(one), row: () => rateRow(one, common) })),
    { name: SHARED, row: () => sharedRow(common) },
    { name: REAPPLIED, row: () => reapplyRow(common) },
  ];
  const rows = [];
  for (const { name, row } of all.filter((one) => one.name.includes(only))) {
    log(name);
    readIntoCache(image);
    rows.push(await row());
  }
  return rows;
}

const percent = (value) =>
  value === undefined ? '' : `${value < 0 ? '' : '+'}${value.toFixed(2)} %`;

function print(rows) {
  const head = ['limit', 'ours', 'p99 late', 'met', ...PEERS];
  const cells = rows.map(({ name, off, late, met, ...peers }) => {
    const lateness = late === undefined ? '' : `${late.toFixed(2)} ms`;
    const others = PEERS.map((peer) => percent(peers[peer]));
    return [name, percent(off), lateness, met ? 'yes' : 'NO', ...others];
  });
  printTable(head, cells, FOOTNOTE);
}

async function main() {
  const values = parseFlags(USAGE, { only: { type: 'string' } });
  if (values === undefined) return;
  const { quick, only } = values;
  const settings = { seconds: quick ? 2 : 10, quick, only };
  const rows = await withImage(16 * MIB, (image) => measure(settings, image));
  report(values, rows, print);
}

run(main);
