// `npm run bench:anatomy`: where a request's time goes, by what can be counted: instructions, system
// calls and allocations per request, here and in other programs. Counts need no idle machine.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { heapBytes, mallocCalls } from './anatomy/allocations.mjs';
import { instructions } from './anatomy/instructions.mjs';
import { marginal, sum } from './anatomy/marginal.mjs';
import { IMAGE_BYTES, subjects } from './anatomy/subjects.mjs';
import { systemCalls } from './anatomy/system-calls.mjs';
import { readIntoCache, withImage } from './lib/image.mjs';
import { fill, markdownTable, PAGE } from './lib/page.mjs';
import { log, printTable, run } from './lib/report.mjs';
import { isInstalled } from './lib/requirements.mjs';

const PLACES = ['JavaScript', 'Node and V8', 'addon', 'C library', 'program'];

/** Counters by what they need; each gives counts by name of a command's whole run. */
const COUNTERS = [
  { key: 'instructions', needs: 'valgrind', count: instructions },
  { key: 'calls', needs: 'strace', count: systemCalls },
  { key: 'mallocs', needs: 'gcc', count: mallocCalls },
];

async function examine(subject, image, folder, options) {
  const { requests } = options;
  const found = { name: subject.name };
  for (const { key, needs, count } of COUNTERS) {
    if (!isInstalled(needs) || options[key] === false) continue;
    log(`${subject.name}: ${key}`);
    readIntoCache(image);
    found[key] = await marginal(requests, (some) => count(folder, subject.command(image, some)));
  }
  if (subject.isNode) {
    const some = Math.ceil(requests / 4);
    const command = (nodeOptions) => subject.command(image, some, { nodeOptions, heap: true });
    found.heap = await heapBytes(command);
  }
  return found;
}

function callsText(calls) {
  const often = Object.entries(calls)
    .filter(([, perRequest]) => perRequest >= 0.005)
    .sort(([, one], [, other]) => other - one);
  return often.map(([name, perRequest]) => `${name} ${perRequest.toFixed(3)}`).join(', ');
}

/** What V8 does besides, compiling and collecting, differs from run to run, and can be less in one. */
function counted(instructions) {
  return Object.fromEntries(
    Object.entries(instructions).map(([place, count]) => [place, Math.max(0, count)]),
  );
}

const whole = (value) => (value === undefined ? '' : Math.round(value).toLocaleString('en-US'));
const fraction = (value) => (value === undefined ? '' : Math.max(0, value).toFixed(2));

const HEAD = [
  'per request',
  'instructions',
  ...PLACES,
  'system calls',
  'mallocs',
  'heap bytes',
  'which system calls',
];

function cells({ name, instructions: all, calls, mallocs, heap }) {
  const places = all && counted(all);
  return [
    name,
    whole(places && sum(places)),
    ...PLACES.map((place) => whole(places?.[place])),
    fraction(calls && sum(calls)),
    fraction(mallocs?.malloc),
    whole(heap),
    callsText(calls ?? {}),
  ];
}

function parse() {
  return new Command('npm run bench:anatomy --')
    .description('Counts instructions, system calls and allocations of a request.')
    .option('--only <text>', 'the programs with this in their names', '')
    .option(
      '--requests <n>',
      'of the shorter of two runs; V8 compiles in the first',
      Number,
      60_000,
    )
    .option('--no-instructions', 'do without valgrind, under which all of them take minutes')
    .option('--json [file]', 'print the counts as JSON, or write them there beside the table')
    .option('--from <file>', 'count nothing: take what --json wrote')
    .option('--page', `fill the table of ${PAGE}`)
    .parse()
    .opts();
}

/** `onFound` hears of each program when it is done: all of them take minutes under valgrind. */
async function measure(options, onFound) {
  const { only } = options;
  const all = await subjects();
  const wanted = all.filter(
    ({ name, needs }) => name.includes(only) && (needs === undefined || isInstalled(needs)),
  );
  const folder = mkdtempSync(join(tmpdir(), 'blk-anatomy-'));
  try {
    return await withImage(IMAGE_BYTES, async (image) => {
      const found = [];
      for (const subject of wanted) {
        found.push(await examine(subject, image, folder, options));
        onFound(found);
      }
      return found;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const jsonOf = (rows) => `${JSON.stringify({ rows }, undefined, 2)}\n`;

async function obtain({ json, from, ...options }) {
  if (from !== undefined) return JSON.parse(readFileSync(from, 'utf8')).rows;
  return measure(options, (found) => {
    if (typeof json === 'string') writeFileSync(json, jsonOf(found));
  });
}

async function main() {
  const options = parse();
  const { json } = options;
  const rows = await obtain(options);
  if (json === true) process.stdout.write(jsonOf(rows));
  else printTable(HEAD, rows.map(cells));
  if (options.page) fill('anatomy', markdownTable(HEAD, rows.map(cells)));
}

run(main);
