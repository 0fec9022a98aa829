// The ratios that were found on an idle machine of a type, which later runs are held against.
//
//   bench/recorded/<type>.json   { machine, cores, node, kernel, pairs, seconds, ratios: { row: x } }
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the recorded ratio: what a run may lose before it counts as worse. */
const TOLERANCE = 0.9;

const folder = fileURLToPath(new URL('../recorded', import.meta.url));

/** Ratios of one type of machine mean little on another. */
export function machine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const cores = availableParallelism();
  return { machine: model, cores, node: process.version, kernel: release() };
}

export function recordFile({ machine: model, cores } = machine()) {
  const name = `${model}-${cores}-cores`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return join(folder, `${name}.json`);
}

export function readRecord(file = recordFile()) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

const isRatio = ({ compare, value }) => compare === 'ratio' && value !== undefined;

/** Keeps what was recorded of other rows. Returns the file. */
export function writeRecord(results, pace, file = recordFile()) {
  const ratios = { ...readRecord(file)?.ratios };
  for (const { name, value } of results.filter(isRatio)) ratios[name] = Number(value.toFixed(3));
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...machine(), ...pace, ratios }, undefined, 2)}\n`);
  return file;
}

/** The whole interval lies on the bad side of the limit. */
function isWorse({ target, interval }, limit) {
  return target?.at === 'at most' ? interval.low > limit : interval.high < limit;
}

function limitOf({ name, target, compare }, ratios) {
  if (compare !== 'ratio') return { limit: target?.value, source: 'the target' };
  const recorded = ratios[name];
  if (recorded === undefined) return { limit: undefined };
  const limit = target?.at === 'at most' ? recorded / TOLERANCE : recorded * TOLERANCE;
  return { limit, source: `${TOLERANCE} of the recorded ${recorded}` };
}

/**
 * What a check finds: `worse` rows, in words, and `unknown` ones, of which nothing is recorded. Ratios
 * are held against the record; values of our own, which have none, against their target.
 */
export function check(results, record) {
  const worse = [];
  const unknown = [];
  for (const row of results.filter(({ value }) => value !== undefined)) {
    const { limit, source } = limitOf(row, record?.ratios ?? {});
    const { low, high } = row.interval;
    if (limit === undefined) unknown.push(row.name);
    else if (isWorse(row, limit)) {
      const interval = `${low.toFixed(3)} to ${high.toFixed(3)}`;
      worse.push(`${row.name}: ${interval} misses ${source}`);
    }
  }
  return { worse, unknown };
}
