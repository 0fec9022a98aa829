// `npm run bench`: works from a bare clone.
import { existsSync } from 'node:fs';
import { setupAndBuild } from './build.mjs';
import { inRoot, main, UserError } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';

await main(import.meta, async (argv) => {
  const program = inRoot('bench/main.mjs');
  if (!existsSync(program)) throw new UserError('there is no bench/main.mjs yet');
  await setupAndBuild();
  return runNode(program, argv);
});
