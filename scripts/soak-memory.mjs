// Resident memory over ten million requests: reads of 4 KiB into pool memory, 32 at a time, in promise
// form, on both engines, of null-co and of a file in the page cache. It fails when it grows by 2 MiB
// or more after the first million:
//
//   npm run soak:memory [-- --millions 10 --built]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { wholeNumber } from './lib/options.mjs';
import { inRoot, log, main } from './lib/project.mjs';
import { quietMemory } from './lib/quiet-memory.mjs';

const TOPIC = 'soak:memory';
const MIB = 1024 * 1024;
const MOST_GROWTH = 2 * MIB;

const options = {
  millions: { type: 'string', default: '10' },
  built: { type: 'boolean', default: false },
};

/** What is resident after each million. */
function measure(aio, disk, millions, folder) {
  const program = inRoot('scripts/soak-memory/main.mjs');
  const args = [...quietMemory, program, aio, disk, String(millions), folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${aio}, ${disk}: ended with ${status}\n${stderr}`);
  return JSON.parse(stdout);
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const millions = wholeNumber('millions', values.millions, 2);
  if (!values.built) await setupAndBuild();
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-memory-'));
  let failed = 0;
  try {
    for (const aio of ['io_uring', 'threads']) {
      for (const disk of ['null-co', 'file']) {
        const resident = measure(aio, disk, millions, folder);
        const growth = Math.max(...resident.slice(1)) - resident[0];
        const series = resident.map((bytes) => (bytes / MIB).toFixed(2)).join(' ');
        const verdict = growth < MOST_GROWTH ? 'flat' : 'GROWS';
        log(
          TOPIC,
          `${aio}, ${disk}: ${verdict}, ${(growth / MIB).toFixed(2)} MiB more (${series})`,
        );
        if (growth >= MOST_GROWTH) failed += 1;
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failed > 0 ? 1 : 0;
});
