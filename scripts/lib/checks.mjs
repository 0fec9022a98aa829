// The checks that need no test run: types of the tests, style, lint.

import { actionlint } from './package-checks.mjs';
import { inRoot, log, root, tools } from './project.mjs';
import { capture, run, runNode, which } from './run.mjs';
import { filesBelow } from './stale.mjs';

// Another version formats differently, so only this one may judge.
const clangFormatVersion = 19;

/** The path of the right clang-format, or undefined. */
function clangFormat() {
  for (const name of [`clang-format-${clangFormatVersion}`, 'clang-format']) {
    const path = which(name);
    if (path && capture(path, ['--version'])?.includes(`version ${clangFormatVersion}.`))
      return path;
  }
  return undefined;
}

/** Runs clang-format over all C++ sources; without it nothing is checked. */
export async function runClangFormat(...options) {
  const path = clangFormat();
  if (!path) {
    log('format', `clang-format ${clangFormatVersion} not found, C++ formatting is not checked`);
    return 0;
  }
  const files = filesBelow('native', 'test/native', 'bench').filter((file) =>
    /\.(cpp|hpp|h|c)$/.test(file),
  );
  return run(path, [...options, ...files]);
}

const checks = {
  types: () => runNode(tools.tsc, ['--project', inRoot('tsconfig.test.json')]),
  biome: () => runNode(tools.biome, ['check', '--error-on-warnings', root]),
  oxlint: () =>
    runNode(tools.oxlint, ['--type-aware', '--tsconfig', 'tsconfig.test.json', '--deny-warnings']),
  'clang-format': () => runClangFormat('--dry-run', '--Werror'),
  actionlint,
};

/** Runs every check and returns the names of those that failed. */
export async function failedChecks() {
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    if ((await check()) !== 0) failed.push(name);
  }
  return failed;
}
