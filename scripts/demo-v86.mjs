// `npm run demo:v86`: a PC in JavaScript boots Linux from a disk of ours, writes to another one, and
// reads it while its limit is changed. Works from a bare clone.
import { setupAndBuild } from './build.mjs';
import { inRoot, main } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';

await main(import.meta, async (argv) => {
  await setupAndBuild();
  return runNode(inRoot('scripts/guest/demo.mjs'), argv);
});
