// `npm run bench:cost`: what limits that are never reached and accounting cost, in turns with a disk
// that has neither, on a driver that does nothing. Both disks live in one process: what one process
// has over another, such as where its memory lies, is more than what is measured. The runs are short
// and many, as a machine's speed changes within a second by more than that, too.
import { BlockBackend } from 'block-backend';
import { parseFlags } from './lib/flags.mjs';
import { makeLoad } from './lib/load-loop.mjs';
import { BLOCK, randomOffsets } from './lib/offsets.mjs';
import { log, printTable, report, run } from './lib/report.mjs';
import { median, percentile } from './lib/statistics.mjs';

const DEPTH = 32;
const WARM_UP_MS = 300;
const DISK = 1024 ** 3;
/** Of the reads per second without limits and accounting. */
const LEAST = 0.95;

const USAGE = `Usage: npm run bench:cost -- [--quick] [--check] [--json]

Compares 4 KiB reads of a null disk, ${DEPTH} under way, with limits that are never
reached and accounting, with reads that have neither, in turns.

  --quick  few and short runs: for trying out, not for conclusions
  --check  exit with 1 if a target was missed
  --json   print the rows as JSON
`;

// Each row changes what V8 knows of the code, so those that are only read come first.
const FEATURES = [
  // What two disks of one kind differ by: how far the others can be believed.
  { name: 'neither', limited: false, accounted: false },
  // Where it comes from.
  { name: 'limits', limited: true, accounted: false },
  { name: 'accounting', limited: false, accounted: true },
  { name: 'limits and accounting', limited: true, accounted: true, target: LEAST },
];

async function openDisk({ limited = false, accounted = false }) {
  const blk = await BlockBackend.open(
    { driver: 'null-co', size: DISK },
    { accountRequests: accounted },
  );
  if (limited) {
    blk.ioLimitsEnable('limits');
    blk.setIoLimits({ 'bps-total': 1e15, 'iops-total': 1e15 });
  }
  return blk;
}

/** Warmed up; runs for so many milliseconds and gives the reads per second. */
async function loopOn(blk) {
  const run = makeLoad(
    { depth: DEPTH, nextOffset: randomOffsets(DISK / BLOCK) },
    () => blk.allocate(BLOCK),
    () => (buffer, offset) => blk.pread(offset, buffer),
  );
  await run(WARM_UP_MS);
  return async (milliseconds) => (await run(milliseconds)).iops;
}

/** That the feature was on and did nothing. */
function checkFeature(blk, { limited, accounted }) {
  const isLimited = blk.throttleGroup?.info().buckets['bps-total'].level !== undefined;
  const { rd_operations: operations } = blk.stats;
  const { throttled } = blk.throttleInfo().read;
  if (throttled === 0 && isLimited === limited && operations > 0 === accounted) return;
  throw new Error(
    `limited: ${isLimited}; requests throttled: ${throttled}, accounted: ${operations}`,
  );
}

/** Pairs of neighbouring runs, A B B A: whatever gets slower by and by does so for both. */
async function pairsOf(feature, { pairs, milliseconds }) {
  const disks = [await openDisk({}), await openDisk(feature)];
  const loops = [await loopOn(disks[0]), await loopOn(disks[1])];
  log(`${feature.name}, ${pairs} pairs`);
  const results = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    const result = [0, 0];
    for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) {
      result[side] = await loops[side](milliseconds);
    }
    results.push(result);
  }
  checkFeature(disks[1], feature);
  for (const disk of disks) await disk.close();
  return results;
}

function rowOf({ name, target }, pairs) {
  const ratios = pairs.map(([plain, featured]) => featured / plain);
  const value = median(ratios);
  return {
    name,
    pairs: ratios.length,
    plain: median(pairs.map(([plain]) => plain)),
    featured: median(pairs.map(([, featured]) => featured)),
    value,
    low: percentile(ratios, 0.25),
    high: percentile(ratios, 0.75),
    ...(target === undefined
      ? {}
      : { target: { at: 'at least', value: target }, met: value >= target }),
  };
}

const iops = (value) => Math.round(value).toLocaleString('en-US');

function cells({ name, pairs, plain, featured, value, low, high, target, met }) {
  return [
    name,
    pairs,
    iops(plain),
    iops(featured),
    `${value.toFixed(3)} x`,
    `${low.toFixed(3)} to ${high.toFixed(3)}`,
    target === undefined ? '' : `${target.at} ${target.value} x`,
    met === undefined ? '' : met ? 'yes' : 'NO',
  ];
}

function print(rows) {
  const head = ['with', 'pairs', 'reads/s without', 'with', 'ratio', 'quartiles', 'target', 'met'];
  printTable(head, rows.map(cells));
}

async function main() {
  const values = parseFlags(USAGE);
  if (values === undefined) return;
  const pace = values.quick ? { pairs: 4, milliseconds: 20 } : { pairs: 1001, milliseconds: 10 };
  const rows = [];
  for (const feature of FEATURES) rows.push(rowOf(feature, await pairsOf(feature, pace)));
  report(values, rows, print);
}

run(main);
