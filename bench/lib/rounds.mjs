// Runs the two sides of a row in turns, A B A B, so that what the machine does besides hits both.
import { runSide } from './child.mjs';
import { readIntoCache, settle } from './image.mjs';

/** Rows that compare the same two sides share their runs. */
export function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.ours, row.theirs]);
    const group = groups.get(key) ?? { ours: row.ours, theirs: row.theirs, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** What a run begins with: a cached file, and no dirty pages of earlier writes. */
function prepare({ image, direct, write }) {
  if (image === undefined) return;
  if (write) settle(image);
  if (!direct) readIntoCache(image);
}

function imageOf({ driver, write }, images) {
  if (driver === 'null-co') return undefined;
  return write ? images.written() : images.read();
}

async function runOnce(side, { images, ...common }) {
  const settings = { ...common, ...side, image: imageOf(side, images) };
  prepare(settings);
  return runSide(settings);
}

/** `{ ours, theirs }` of each pair; `onRun` hears what runs next. */
export async function runPairs({ ours, theirs }, { pairs, ...common }, onRun) {
  const results = [];
  for (let pair = 1; pair <= pairs; pair += 1) {
    onRun(`pair ${pair} of ${pairs}: ${ours.side}`);
    const result = { ours: await runOnce(ours, common) };
    if (theirs !== undefined) {
      onRun(`pair ${pair} of ${pairs}: ${theirs.side}`);
      result.theirs = await runOnce(theirs, common);
    }
    results.push(result);
  }
  return results;
}
