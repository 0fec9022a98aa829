// Runs seeded scripts of requests against qemu-io on twin files, and compares every answer, every
// byte, and what the files are said to be:
//
//   npm run differential                     5,000 requests on every setup
//   npm run differential -- --seed 7 --requests 500 --only 'alignment 4096'
//
// With --built nothing is built before.
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import {
  compareAllocation,
  compareFiles,
  compareMapsQuietly,
  compareOutcomes,
  Difference,
} from './differential/judge.mjs';
import { runQemuIo } from './differential/qemu-io.mjs';
import { Script } from './differential/script.mjs';
import { setups } from './differential/setups.mjs';
import { log, main } from './lib/project.mjs';
import { which } from './lib/run.mjs';

const TOPIC = 'differential';
/** Requests between two comparisons of the files. */
const BATCH = 250;
const FIRST_SIZE = 300 * 1024;

const options = {
  seed: { type: 'string' },
  requests: { type: 'string', default: '5000' },
  only: { type: 'string', default: '' },
  built: { type: 'boolean', default: false },
};

/** One batch on both twins, and everything that can be compared afterwards. */
async function compareBatch(setup, twins, requests, first, { ours, context }) {
  const { length } = twins;
  const own = await ours.runOurs({ options: setup.ours(twins.ours), context }, requests);
  const theirs = { options: setup.theirs(twins.theirs), cache: setup.cache, length };
  compareOutcomes(requests, own, await runQemuIo(theirs, requests), first);
  compareFiles(twins.ours, twins.theirs);
  for (const filename of [twins.ours, twins.theirs]) {
    await compareMapsQuietly(filename, () => ours.mapOf(filename, context));
  }
  compareAllocation(twins.ours, twins.theirs);
  twins.length = statSync(twins.ours).size;
}

async function runSetup(setup, { seed, requests, folder, ours, context }) {
  const twins = {
    ours: join(folder, 'ours.img'),
    theirs: join(folder, 'theirs.img'),
    length: FIRST_SIZE,
  };
  // Data at first, so that there is something to discard.
  writeFileSync(twins.ours, Buffer.alloc(FIRST_SIZE, 0x5a));
  copyFileSync(twins.ours, twins.theirs);
  const script = new Script({ seed, size: FIRST_SIZE, ...setup });
  for (let done = 0; done < requests; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, requests - done) }, () => script.next());
    batch.push(script.last());
    await compareBatch(setup, twins, batch, done, { ours, context });
  }
}

function missingTool() {
  return ['qemu-io', 'qemu-img', 'dd'].find((tool) => which(tool) === undefined);
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const missing = missingTool();
  if (missing !== undefined) {
    log(TOPIC, `skipped: there is no ${missing} (Debian has it in qemu-utils)`);
    return 0;
  }
  if (!values.built) await setupAndBuild();
  const ours = await import('./differential/ours.mjs');
  const contexts = await ours.contexts();
  const seed = Number(values.seed ?? 1 + Math.floor(Math.random() * 2 ** 31));
  const requests = Number(values.requests);
  log(TOPIC, `seed ${seed}, ${requests} requests on each setup`);
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-differential-'));
  const chosen = setups().filter(({ name }) => name.includes(values.only));
  let failures = 0;
  try {
    for (const setup of chosen) {
      for (const context of contexts) {
        const start = performance.now();
        const where = `${setup.name}, ${context.aio} in ${context.home}`;
        try {
          await runSetup(setup, { seed, requests, folder, ours, context });
          const seconds = ((performance.now() - start) / 1000).toFixed(1);
          log(TOPIC, `${where}: the same (${seconds} s)`);
        } catch (error) {
          if (!(error instanceof Difference)) throw error;
          failures += 1;
          log(TOPIC, `${where}: ${error.message}`);
          log(TOPIC, `again: npm run differential -- --seed ${seed} --requests ${requests}`);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  log(TOPIC, failures === 0 ? 'no difference' : `${failures} setups differ`);
  return failures === 0 ? 0 : 1;
});
