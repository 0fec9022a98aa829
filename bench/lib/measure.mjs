// Measures rows of the table, group by group.
import { withImages } from './image.mjs';
import { judge, unmeasured } from './judge.mjs';
import { log } from './report.mjs';
import { missingFor } from './requirements.mjs';
import { groupsOf, runPairs } from './rounds.mjs';

async function measureGroup(group, settings) {
  const skipped = missingFor(group, settings.images);
  if (skipped !== undefined) return group.rows.map((row) => unmeasured(row, { skipped }));
  try {
    const onRun = (text) => log(`${group.rows[0].name}, ${text}`);
    const pairs = await runPairs(group, settings, onRun);
    return group.rows.map((row) => judge(row, pairs));
  } catch (error) {
    // The others are still worth having.
    const failed = (error.stderr || error.message).trim();
    return group.rows.map((row) => unmeasured(row, { failed }));
  }
}

/** Results in the order of the rows. */
export function measureRows(rows, { bytes, ...pace }) {
  return withImages(bytes, async (images) => {
    const found = new Map();
    for (const group of groupsOf(rows)) {
      const results = await measureGroup(group, { ...pace, bytes, images });
      for (const result of results) found.set(result.name, result);
    }
    return rows.map(({ name }) => found.get(name));
  });
}
