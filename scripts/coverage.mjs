// Which lines of lib/ and native/ the tests run. Prints both shares, and fails when one is below 90 %
// or below what is recorded:
//
//   npm run test:coverage -- [--shards 2] [--update] [--report] [test/folder ...]
//
// --shards N   so many jest processes side by side (default 2)
// --update     records the shares in scripts/coverage-report/floor.json, and writes docs/coverage.md
// --report     runs no test: reports on the counts of the last run
// --list       prints the lines that did not run
// With folders or files only their tests run, and nothing is compared.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildRoot, setupAndBuild } from './build.mjs';
import { nativeLines } from './coverage-report/native-lines.mjs';
import { documentText, rangesText, summarize, summaryText } from './coverage-report/report.mjs';
import { runJest } from './lib/jest.mjs';
import { wholeNumber } from './lib/options.mjs';
import { inRoot, log, main, root, tools, UserError } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';
import { filesBelow } from './lib/stale.mjs';

const TOPIC = 'coverage';
const LEAST = 90;
/** Percent that a run may lose by chance: which of two threads comes first is not always the same. */
const NOISE = 0.3;

const output = inRoot('coverage');
const children = join(output, 'children');
const floorFile = inRoot('scripts/coverage-report/floor.json');
const page = inRoot('docs/coverage.md');
const build = buildRoot('coverage');

const options = {
  shards: { type: 'string', default: '2' },
  update: { type: 'boolean', default: false },
  report: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
};

function forgetCounts() {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(children, { recursive: true });
  for (const file of filesBelow('san/coverage')) if (file.endsWith('.gcda')) rmSync(file);
}

/** One jest process per shard; each runs its tests itself, as a worker may be ended before it counts. */
async function runTests(shards, tests) {
  const env = {
    BLOCK_BACKEND_PREBUILD: build,
    BLOCK_BACKEND_SANITIZE: 'coverage',
    BLOCK_BACKEND_CHILD_COVERAGE: children,
  };
  const shard = (index) => [
    '--runInBand',
    // What a test left open must not keep the counts from being written.
    '--forceExit',
    '--coverage',
    '--coverageReporters=json',
    `--coverageDirectory=${join(output, `jest-${index}`)}`,
    `--globalSetup=${inRoot('scripts/coverage-report/children.cjs')}`,
    `--shard=${index}/${shards}`,
    ...tests,
  ];
  const all = Array.from({ length: shards }, (_, index) => runJest(shard(index + 1), { env }));
  const results = await Promise.all(all);
  for (const { totals } of results) log(TOPIC, totals ?? 'no report');
  return results.some(({ code }) => code !== 0) ? 1 : 0;
}

async function measure() {
  const reports = readdirSync(output)
    .map((name) => join(output, name, 'coverage-final.json'))
    .filter((file) => existsSync(file));
  if (reports.length === 0) throw new UserError('no test was run yet: leave --report out');
  // Here and not above, as it uses what setup() installs.
  const { libLines } = await import('./coverage-report/lib-lines.mjs');
  return {
    lib: summarize(libLines(root, reports, children)),
    native: summarize(nativeLines(root)),
  };
}

function problems(halves) {
  const floor = JSON.parse(readFileSync(floorFile, 'utf8'));
  return Object.entries(halves).flatMap(([name, { percent }]) => {
    const least = Math.max(LEAST, floor[name] - NOISE);
    return percent >= least ? [] : [`${name}/ is below ${least.toFixed(1)} %`];
  });
}

function update(halves) {
  const shares = Object.entries(halves).map(([name, { percent }]) => [
    name,
    Math.floor(percent * 10) / 10,
  ]);
  writeFileSync(floorFile, `${JSON.stringify(Object.fromEntries(shares), null, 2)}\n`);
  const reasons = JSON.parse(readFileSync(inRoot('scripts/coverage-report/reasons.json'), 'utf8'));
  writeFileSync(page, documentText(halves, reasons));
  return 0;
}

await main(import.meta, async (argv) => {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  const shards = wholeNumber('shards', values.shards, 1);
  let code = 0;
  if (!values.report) {
    await setupAndBuild({ tests: true, sanitize: 'coverage' });
    forgetCounts();
    code = await runTests(shards, positionals);
  }
  const halves = await measure();
  if (values.list) {
    for (const { file, missing } of Object.values(halves).flatMap(({ files }) => files)) {
      if (missing.length > 0) process.stdout.write(`${file}: ${rangesText(missing)}\n`);
    }
  }
  process.stdout.write(`${summaryText(halves)}\n`);
  if (positionals.length > 0) return code;
  if (values.update) {
    update(halves);
    return (await runNode(tools.biome, ['format', '--write', page])) || code;
  }
  const found = problems(halves);
  for (const problem of found) log(TOPIC, problem);
  return found.length > 0 ? 1 : code;
});
