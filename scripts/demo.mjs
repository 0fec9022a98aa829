// `npm run demo`: works from a bare clone.
import { setupAndBuild } from './build.mjs';
import { inRoot, main } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';

await main(import.meta, async (argv) => {
  await setupAndBuild();
  return runNode(inRoot('dist/cli/main.js'), ['demo', ...argv]);
});
