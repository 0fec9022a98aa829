// `npm run bench`: this package against others, in ratios; absolute numbers mean little elsewhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { CHART, drawChart } from './lib/chart.mjs';
import { LEAST_PAIRS, parseCommandLine } from './lib/command-line.mjs';
import { measureRows } from './lib/measure.mjs';
import { fillPage, PAGE } from './lib/page.mjs';
import { check, machine, readRecord, recordFile, writeRecord } from './lib/recorded.mjs';
import { log, run } from './lib/report.mjs';
import { printResults } from './lib/result-table.mjs';
import { ROWS } from './rows.mjs';

/** Another program that computes turns even ratios into noise. Before any run of ours. */
function otherLoad() {
  const [load] = loadavg();
  const busy = load >= availableParallelism() / 2;
  if (busy) log(`the load average is ${load.toFixed(1)}: results of a busy machine say little`);
  return busy;
}

async function measure({ only, pairs, seconds, megabytes }) {
  const rows = ROWS.filter(({ name }) => name.toLowerCase().includes(only.toLowerCase()));
  if (rows.length === 0) throw new Error(`no row has '${only}' in its name`);
  const busy = otherLoad();
  const pace = { pairs, seconds };
  const results = await measureRows(rows, { ...pace, bytes: megabytes * 1024 ** 2 });
  return { ...machine(), date: new Date().toISOString(), busy, ...pace, rows: results };
}

/** What was measured just now, or by an earlier run. */
async function obtain(options) {
  if (options.from === undefined) return measure(options);
  return JSON.parse(readFileSync(options.from, 'utf8'));
}

function print(results, { json }) {
  const text = `${JSON.stringify(results, undefined, 2)}\n`;
  if (json === true) {
    process.stdout.write(text);
    return;
  }
  printResults(results);
  if (json !== undefined) writeFileSync(json, text);
}

function printCheck({ rows, pairs }) {
  if (pairs < LEAST_PAIRS) throw new Error(`${pairs} pairs are too few for --check`);
  const record = readRecord();
  if (record === undefined) log(`nothing is recorded of this type of machine (${recordFile()})`);
  const { worse, unknown } = check(rows, record);
  for (const text of worse) log(`worse than recorded: ${text}`);
  if (record !== undefined && unknown.length > 0) log(`not recorded: ${unknown.join('; ')}`);
  if (worse.length === 0) log('no row is worse than recorded');
  else process.exitCode = 1;
}

function publish(results, { svg, page, record }) {
  const { rows, pairs, seconds } = results;
  if (svg) {
    drawChart(results);
    log(`drew ${CHART}`);
  }
  if (page) {
    fillPage(results);
    log(`filled ${PAGE}`);
  }
  if (record) log(`recorded in ${writeRecord(rows, { pairs, seconds })}`);
}

async function main() {
  const options = parseCommandLine(process.argv.slice(2));
  const results = await obtain(options);
  print(results, options);
  publish(results, options);
  if (options.check) printCheck(results);
  if (results.rows.some(({ failed }) => failed !== undefined)) process.exitCode = 1;
}

run(main);
