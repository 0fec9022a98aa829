// `npm run bench`: this package against others, in ratios; absolute numbers mean little elsewhere.
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { latenessRows } from './lateness.mjs';
import { parseFlags } from './lib/flags.mjs';
import { withImage } from './lib/image.mjs';
import { BLOCK } from './lib/read-loop.mjs';
import { log, printTable, report, run } from './lib/report.mjs';
import { throughputRows } from './throughput.mjs';

const IMAGE_BYTES = 1024 ** 3;

const USAGE = `Usage: npm run bench -- [--quick] [--check] [--json]

Compares reads of a cached 1 GiB file with other software, and shows how late
timers are meanwhile. All sides run in turns, each in a process of its own.

  --quick  short runs: for trying out, not for conclusions
  --check  exit with 1 if a target was missed
  --json   print the rows as JSON
`;

/** Why a peer cannot run, by name. */
function missingPeers() {
  try {
    execFileSync('qemu-img', ['--version'], { stdio: 'ignore' });
    return {};
  } catch {
    return { 'qemu-img': 'qemu-img not found (Debian: apt-get install qemu-utils)' };
  }
}

const digits = (value) => value.toFixed(Math.abs(value) < 10 ? 2 : 1);

const UNITS = {
  ratio: { absolute: (iops) => Math.round(iops).toLocaleString('en-US'), suffix: 'x' },
  ms: { absolute: (ms) => `${digits(ms)} ms`, suffix: 'ms' },
};

const HEAD = ['4 KiB random reads', 'ours', 'theirs', 'result', 'range', 'target', 'met'];

const FOOTNOTE = `Medians of runs in turns, cached file, promises, pool memory. Reads per second, and
their ratio; "timer": p99 lateness of a 1 ms interval, and what it is above that of an
idle process.
`;

function cells({ name, skipped, unit, value, low, high, ours, theirs, target, met }) {
  if (skipped !== undefined) return [name, { colSpan: 6, content: `skipped: ${skipped}` }];
  const { absolute, suffix } = UNITS[unit];
  return [
    name,
    absolute(ours),
    absolute(theirs),
    `${digits(value)} ${suffix}`,
    `${digits(low)} to ${digits(high)}`,
    `${target.at} ${target.value} ${suffix}`,
    met ? 'yes' : 'NO',
  ];
}

function print(rows) {
  printTable(HEAD, rows.map(cells), FOOTNOTE);
}

/** Another program that computes turns even ratios into noise. */
function warnIfBusy() {
  const [load] = loadavg();
  if (load < availableParallelism() / 2) return;
  log(`the load average is ${load.toFixed(1)}: results of a busy machine say little`);
}

async function main() {
  const values = parseFlags(USAGE);
  if (values === undefined) return;
  // fs.promises differs by half from run to run of a second: threads that happen to meet a core.
  const pace = values.quick ? { rounds: 2, seconds: 0.7 } : { rounds: 9, seconds: 2 };
  warnIfBusy();
  log('making a file of 1 GiB');
  const rows = await withImage(IMAGE_BYTES, async (image) => {
    const settings = { ...pace, image, blocks: IMAGE_BYTES / BLOCK };
    const throughput = await throughputRows(settings, missingPeers(), log);
    return [...throughput, ...(await latenessRows(settings, log))];
  });
  warnIfBusy();
  report(values, rows, print);
}

run(main);
