// `npm run bench` and its like: the first argument names the program. Works from a bare clone.
import { existsSync } from 'node:fs';
import { setupAndBuild } from './build.mjs';
import { inRoot, main, UserError } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';

await main(import.meta, async ([name = 'main', ...argv]) => {
  const program = inRoot(`bench/${name}.mjs`);
  if (!existsSync(program)) throw new UserError(`there is no bench/${name}.mjs`);
  await setupAndBuild();
  return runNode(program, argv);
});
