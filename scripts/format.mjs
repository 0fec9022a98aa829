// Formats every source in place.
import { runClangFormat } from './lib/checks.mjs';
import { main, root, tools } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';
import { setup } from './setup.mjs';

await main(import.meta, async () => {
  await setup();
  const biome = await runNode(tools.biome, ['check', '--write', root]);
  return biome || runClangFormat('-i');
});
