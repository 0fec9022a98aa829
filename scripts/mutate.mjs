// Changes one line at a time in a copy of the checkout, and looks whether a test notices: nearest tests
// first, then a broader set. Fails when fewer than 85 % of the mutants are noticed:
//
//   npm run mutate -- [--lib 150] [--native 150] [--seed 1] [--minutes 600] [--folder DIR]
//
// --lib, --native   so many mutants of each half
// --minutes         ends after so long; the next run goes on where this one ended
// --folder          the copy, and what is known so far, results.json (default: san/mutate)
// --files           only mutants of files whose path begins with this
//
// A mutant that does not compile, or that the compiler does not see, is none, and the next one takes
// its place. The same seed and sources give the same mutants.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { wholeNumber } from './lib/options.mjs';
import { inRoot, log, main, root } from './lib/project.mjs';
import { setup } from './setup.mjs';

const TOPIC = 'mutate';
const LEAST = 85;

const options = {
  lib: { type: 'string', default: '150' },
  native: { type: 'string', default: '150' },
  seed: { type: 'string', default: '1' },
  minutes: { type: 'string', default: '1440' },
  folder: { type: 'string', default: inRoot('san/mutate') },
  files: { type: 'string', default: '' },
};

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const seed = wholeNumber('seed', values.seed, 0);
  const until = Date.now() + wholeNumber('minutes', values.minutes, 1) * 60_000;
  await setup({ tests: true });
  // Here and not above, as they use what setup() installs.
  const { choose } = await import('./mutate/candidates.mjs');
  const { Results, shareOf, tableText } = await import('./mutate/results.mjs');
  const { Workshop } = await import('./mutate/workshop.mjs');
  const folder = resolve(values.folder);
  const results = new Results(join(folder, 'results.json'), seed);
  const workshop = new Workshop(root, join(folder, 'copy'));
  await workshop.prepare();

  /** The mutants of one half that count, those of earlier runs included. */
  async function judgeHalf(half, wanted) {
    const judged = [];
    for (const mutant of choose(root, half, seed)) {
      if (judged.length === wanted || Date.now() > until) break;
      if (!mutant.file.startsWith(values.files)) continue;
      const known = results.find(mutant);
      const began = Date.now();
      const verdict = known ?? { ...mutant, ...(await workshop.judge(mutant)) };
      if (known === undefined) {
        const seconds = Math.round((Date.now() - began) / 1000);
        results.add(mutant, { status: verdict.status, by: verdict.by, seconds });
        const what = `${mutant.file}:${mutant.line} ${mutant.operator}`;
        log(TOPIC, `${what}: ${verdict.status} ${verdict.by} (${seconds} s)`);
      }
      if (verdict.status !== 'invalid') judged.push(verdict);
    }
    return judged;
  }

  const judged = [
    ...(await judgeHalf('lib', wholeNumber('lib', values.lib, 0))),
    ...(await judgeHalf('native', wholeNumber('native', values.native, 0))),
  ];
  process.stdout.write(`${tableText(judged)}\n`);
  return judged.length > 0 && shareOf(judged) < LEAST ? 1 : 0;
});
