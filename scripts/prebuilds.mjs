// Fills prebuilds/ with the binaries that are published, and checks each: what it needs, what it shows,
// that node-gyp-build chooses it, and that it loads where it is to load.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { log, main, UserError } from './lib/project.mjs';
import { usePackage } from './pack/hosts.mjs';
import { installedProject, pack } from './pack/project.mjs';
import { buildTarget, removePrebuilds } from './prebuilds/build.mjs';
import { checkChoice, gateFindings } from './prebuilds/gate.mjs';
import { inspectTarget } from './prebuilds/inspect.mjs';
import { loadOnMusl } from './prebuilds/musl.mjs';
import { ensureCompilers } from './prebuilds/needs.mjs';
import { targets } from './prebuilds/targets.mjs';
import { setup } from './setup.mjs';

const ids = targets.map(({ id }) => id).join(', ');

function chosenTargets(names) {
  return names.map((name) => {
    const target = targets.find(({ id }) => id === name);
    if (!target) throw new UserError(`--target ${name}: use one of ${ids}`);
    return target;
  });
}

/** `npm test` has them on glibc; emulated, they would take hours. */
const runsTests = ({ libc, arch }) => libc === 'musl' && arch === process.arch;

/** Says whether the target was built; what cannot be had is no error here, only in a release. */
async function make(target, options) {
  const reason = await ensureCompilers(target);
  if (reason) {
    log('prebuilds', `${target.id}: skipped, ${reason}`);
    return false;
  }
  await buildTarget(target, { tests: options.tests && runsTests(target) });
  return true;
}

async function check(target, options) {
  checkChoice(target);
  log('prebuilds', `${target.id}: ${inspectTarget(target)}`);
  if (target.libc === 'musl') {
    await loadOnMusl(target, { tests: options.tests && runsTests(target) });
  }
}

/** Does I/O with the package that the binaries are in. */
async function use() {
  const { folder, project } = await installedProject();
  try {
    await usePackage(project);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({
    args: argv,
    options: {
      target: { type: 'string', multiple: true },
      /** Compiles the native tests for musl, too, and runs them. */
      tests: { type: 'boolean', default: false },
      /** Fails unless all binaries are there. */
      complete: { type: 'boolean', default: false },
      /** Leaves the tarball in a folder. */
      pack: { type: 'string' },
    },
  });
  await setup({ tests: values.tests });
  if (!values.target) removePrebuilds();
  for (const target of values.target ? chosenTargets(values.target) : targets) {
    if (await make(target, values)) await check(target, values);
  }
  await use();
  const lacking = values.complete ? gateFindings() : [];
  if (lacking.length > 0) throw new UserError(`not complete: ${lacking.join('; ')}`);
  if (values.pack !== undefined) log('prebuilds', await pack(resolve(values.pack)));
});
