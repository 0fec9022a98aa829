// Installs the package as a stranger does, with no compiler, no Python and no install scripts, and uses
// it. `npm run test:pack [-- TARBALL] [--here] [--rebuild]`
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { log, main } from './lib/project.mjs';
import { checkCommands, checkRebuild } from './pack/commands.mjs';
import { requireOwnBinary, usePackage } from './pack/hosts.mjs';
import { installedProject } from './pack/project.mjs';

await main(import.meta, async (argv) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      /** On this machine only: no other Node, no emulation. */
      here: { type: 'boolean', default: false },
      /** Compiles it, too, by `npx blk rebuild` with the compilers of this machine. */
      rebuild: { type: 'boolean', default: false },
    },
  });
  const [tarball] = positionals;
  const { folder, project } = await installedProject(tarball && resolve(tarball));
  try {
    requireOwnBinary(project);
    checkCommands(project);
    await usePackage(project, values);
    if (values.rebuild) await checkRebuild(project);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  log('pack', 'the package works');
});
