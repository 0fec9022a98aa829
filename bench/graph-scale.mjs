// `npm run bench:graph`: whether what one disk costs depends on how many others there are.
//
// Every disk is a graph of its own: backend -> raw -> raw -> null-co. With few and with many of
// them open, one more is opened, its permissions are changed, and it is closed again, over and over.
import { BlockBackend } from 'block-backend';
import { parseFlags } from './lib/flags.mjs';
import { log, printTable, report, run as runBench } from './lib/report.mjs';
import { median } from './lib/statistics.mjs';

const LIMIT = 2;
const READ = ['consistent-read'];
const ALL = ['consistent-read', 'write', 'write-unchanged', 'resize'];
const CHANGES = [
  [READ, ALL],
  [
    [...READ, 'write'],
    ['consistent-read', 'write-unchanged'],
  ],
];

const USAGE = `Usage: npm run bench:graph -- [--quick] [--check] [--json]

Compares what opening, changing the permissions of and closing a disk costs with
10 and with 1,000 others open.

  --quick  fewer others and repetitions: for trying out, not for conclusions
  --check  exit with 1 if a target was missed
  --json   print the rows as JSON
`;

const options = (index) => ({
  driver: 'raw',
  'node-name': `top${index}`,
  file: {
    driver: 'raw',
    'node-name': `middle${index}`,
    file: { driver: 'null-co', 'node-name': `base${index}` },
  },
});

const open = (index) => BlockBackend.open(options(index), { name: `drive${index}` });

/** Opens and closes from both ends of the list, so that no order of lists is the lucky one. */
async function keepOpen(disks, count) {
  while (disks.length > count) {
    const disk = disks.length % 2 === 0 ? disks.pop() : disks.shift();
    await disk.close();
  }
  while (disks.length < count) disks.push(await open(nextIndex()));
}

let lastIndex = 0;
function nextIndex() {
  lastIndex += 1;
  return lastIndex;
}

async function timed(samples, body) {
  const start = process.hrtime.bigint();
  const result = await body();
  samples.push(Number(process.hrtime.bigint() - start) / 1000);
  return result;
}

/** Microseconds of each kind of change, `repetitions` of them. */
async function measure(repetitions) {
  const samples = { open: [], permissions: [], close: [] };
  for (let round = 0; round < repetitions; round += 1) {
    const index = nextIndex();
    const disk = await timed(samples.open, () => open(index));
    if (typeof disk.setPermissions === 'function') {
      for (const [needed, shared] of CHANGES) {
        await timed(samples.permissions, () => disk.setPermissions(needed, shared));
      }
    }
    await timed(samples.close, () => disk.close());
  }
  return samples;
}

/** In turns, so that what the machine does besides hits both alike. */
async function run({ few, many, rounds, repetitions }) {
  const medians = [few, many].map(() => ({ open: [], permissions: [], close: [] }));
  const disks = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const [side, count] of [few, many].entries()) {
      log(`${count} disks, ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
      await keepOpen(disks, count);
      const samples = await measure(repetitions);
      for (const [name, values] of Object.entries(samples)) {
        if (round > 0 && values.length > 0) medians[side][name].push(median(values));
      }
    }
  }
  await keepOpen(disks, 0);
  return medians;
}

const NAMES = { open: 'open', permissions: 'change permissions', close: 'close' };

function rowOf(kind, [withFew, withMany]) {
  const name = NAMES[kind];
  if (withFew[kind].length === 0) return { name, skipped: 'there is no setPermissions() yet' };
  const ratios = withMany[kind].map((time, round) => time / withFew[kind][round]);
  const value = median(ratios);
  return {
    name,
    few: median(withFew[kind]),
    many: median(withMany[kind]),
    value,
    low: Math.min(...ratios),
    high: Math.max(...ratios),
    target: { at: 'at most', value: LIMIT },
    met: value <= LIMIT,
  };
}

function cells({ name, skipped, few, many, value, low, high, target, met }) {
  if (skipped !== undefined) return [name, { colSpan: 6, content: `skipped: ${skipped}` }];
  return [
    name,
    `${few.toFixed(0)} us`,
    `${many.toFixed(0)} us`,
    `${value.toFixed(2)} x`,
    `${low.toFixed(2)} to ${high.toFixed(2)}`,
    `${target.at} ${target.value} x`,
    met ? 'yes' : 'NO',
  ];
}

function print(rows, { few, many }) {
  const head = [
    'median of one',
    `${few} others`,
    `${many} others`,
    'ratio',
    'range',
    'target',
    'met',
  ];
  printTable(head, rows.map(cells));
}

async function main() {
  const values = parseFlags(USAGE);
  if (values === undefined) return;
  const sizes = values.quick
    ? { few: 5, many: 50, rounds: 1, repetitions: 20 }
    : { few: 10, many: 1000, rounds: 9, repetitions: 100 };
  const medians = await run(sizes);
  const rows = Object.keys(NAMES).map((kind) => rowOf(kind, medians));
  report(values, rows, () => print(rows, sizes));
}

runBench(main);
