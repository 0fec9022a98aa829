// Builds what is out of date: the addon and its test binary with cmake-js, lib/ with tsc and esbuild.
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { inRoot, log, main, root, tools, UserError } from './lib/project.mjs';
import { mustRunNode, which } from './lib/run.mjs';
import { filesBelow, fingerprint, programIdentity, readStamp, writeStamp } from './lib/stale.mjs';
import { setup } from './setup.mjs';

export const sanitizers = ['address', 'thread', 'undefined', 'coverage'];

/** The folder that BLOCK_BACKEND_PREBUILD names; its build/Release holds the binaries. */
export const buildRoot = (sanitize) => (sanitize ? inRoot('san', sanitize) : root);

/** What is built for the tests only. */
const testPrograms = ['block_backend_test', 'block_backend_fuzz'];

function cmakeArguments(command, { out, cxx, sanitize = '', unity = true }) {
  const names = { CMAKE_CXX_COMPILER: cxx, NODE_EXECUTABLE: process.execPath };
  const values = { ...names, SANITIZE: sanitize, UNITY: unity ? 'ON' : 'OFF' };
  const given = Object.entries(values).map(([name, value]) => `--CD${name}=${value}`);
  return [command, '--log-level', 'warn', '--prefer-make', '--out', out, ...given];
}

/** Writes the compile commands of every single file into `out`, for tools that read them. */
export async function writeCompileCommands(out) {
  await setup({ tests: true });
  const args = cmakeArguments('configure', { out, cxx: 'g++', unity: false });
  await mustRunNode('the configuration of the C++ build', tools.cmakeJs, args);
}

/** Builds the addon and, with `tests`, the programs of the tests. */
export async function buildNative({
  sanitize = '',
  compiler,
  tests = true,
  separate = false,
} = {}) {
  const cxx = compiler ?? 'g++';
  const out = join(buildRoot(sanitize), 'build');
  const stampFile = join(out, 'stamp.json');

  const addonInputs = [
    ...filesBelow('native', 'CMakeLists.txt', 'package.json'),
    inRoot('node_modules/node-addon-api/package.json'),
    inRoot('node_modules/cmake-js/package.json'),
  ];
  const addon = fingerprint(addonInputs);
  const next = {
    // Whatever ends in CMake's cache; a change needs a build from nothing.
    configuration: [
      root,
      sanitize,
      cxx,
      separate,
      programIdentity(which(cxx)),
      process.execPath,
    ].join(' '),
    addon,
    tests: tests ? fingerprint([...addonInputs, ...filesBelow('test/native')]) : undefined,
  };
  const last = readStamp(stampFile);
  const sameConfiguration = last.configuration === next.configuration;
  const outputs = ['block_backend.node', ...(tests ? testPrograms : [])];
  if (
    sameConfiguration &&
    last.addon === next.addon &&
    (!tests || last.tests === next.tests) &&
    outputs.every((name) => existsSync(join(out, 'Release', name)))
  ) {
    return false;
  }

  log('build', `C++ with ${cxx} into ${relative(root, out)}`);
  if (!sameConfiguration) rmSync(out, { recursive: true, force: true });
  const args = cmakeArguments('build', { out, cxx, sanitize, unity: !separate });
  args.push('--parallel', String(availableParallelism()));
  if (!tests) args.push('--target', 'block_backend');
  await mustRunNode('the C++ build', tools.cmakeJs, args);
  // If the addon did not change, neither did what the tests' programs were made of.
  writeStamp(stampFile, {
    ...next,
    tests: next.tests ?? (sameConfiguration ? last.tests : undefined),
  });
  return true;
}

/** Compiles lib/ to dist/ and puts its modules into one file. */
export async function buildTypeScript() {
  const dist = inRoot('dist');
  const stampFile = inRoot('dist/.stamp.json');
  const inputs = fingerprint([
    ...filesBelow('lib', 'tsconfig.json'),
    ...['bundle', 'compiled-at-once', 'later'].map((name) => inRoot(`scripts/lib/${name}.mjs`)),
    inRoot('node_modules/typescript/package.json'),
    inRoot('node_modules/esbuild/package.json'),
    inRoot('node_modules/@types/node/package.json'),
  ]);
  if (readStamp(stampFile).inputs === inputs) return false;

  log('build', 'TypeScript into dist');
  // Compiled beside dist and swapped in, so that no file of a removed source stays behind and a
  // failed compilation leaves the last good build alone.
  const fresh = inRoot('dist.new');
  rmSync(fresh, { recursive: true, force: true });
  await mustRunNode('the TypeScript build', tools.tsc, ['--project', root, '--outDir', fresh]);
  // Here and not above, as it uses what setup() installs.
  const { bundle } = await import('./lib/bundle.mjs');
  await bundle(fresh);
  chmodSync(join(fresh, 'cli/main.js'), 0o755);
  writeStamp(join(fresh, '.stamp.json'), { inputs });
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  return true;
}

/** What every script that uses the product does first. */
export async function setupAndBuild({ tests = false, sanitize = '' } = {}) {
  const compiler = process.env.CXX;
  await setup({ tests, compiler });
  await buildNative({ tests, sanitize, compiler });
  await buildTypeScript();
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({
    args: argv,
    options: {
      native: { type: 'boolean' },
      ts: { type: 'boolean' },
      sanitize: { type: 'string', default: '' },
      compiler: { type: 'string', default: process.env.CXX },
      // One object for each file: quicker when one file changes again and again.
      separate: { type: 'boolean' },
    },
  });
  if (values.sanitize && !sanitizers.includes(values.sanitize)) {
    throw new UserError(`--sanitize takes one of ${sanitizers.join(', ')}`);
  }
  const everything = !values.native && !values.ts;
  await setup({ tests: true, compiler: values.compiler });
  const built = [
    (everything || values.native) && (await buildNative(values)),
    (everything || values.ts) && (await buildTypeScript()),
  ];
  if (!built.some(Boolean)) log('build', 'up to date');
});
