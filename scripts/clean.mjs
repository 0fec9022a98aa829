// Removes everything that a build or a test run left.
import { rmSync } from 'node:fs';
import { inRoot, main } from './lib/project.mjs';

await main(import.meta, () => {
  for (const folder of ['build', 'san', 'dist', 'dist.new', 'prebuilds', 'coverage', 'cross']) {
    rmSync(inRoot(folder), { recursive: true, force: true });
  }
});
