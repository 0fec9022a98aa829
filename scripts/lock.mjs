// Writes package-lock.json anew: run this, not `npm install`, after editing the dependencies.
//
// The tools ship one optional package per platform. A registry that mirrors only Linux has not all of
// them; npm then leaves them out of the lock file and `npm ci` refuses that file. This package is for
// Linux only, so what the lock file has no entry for is struck from the lists of optional packages.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { inRoot, log, main, UserError } from './lib/project.mjs';
import { run } from './lib/run.mjs';

/** Whether a package at this place in the tree would find `name` in a node_modules above it. */
function resolves(packages, place, name) {
  for (let folder = place; ; ) {
    if (packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (folder === '') return false;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')));
  }
}

await main(import.meta, async () => {
  const file = inRoot('package-lock.json');
  // npm completes an existing tree rather badly, so it starts without one.
  rmSync(file, { force: true });
  rmSync(inRoot('node_modules'), { recursive: true, force: true });
  const code = await run('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund']);
  if (code !== 0) throw new UserError(`npm install failed (exit code ${code})`);

  const lock = JSON.parse(readFileSync(file, 'utf8'));
  let struck = 0;
  for (const [place, entry] of Object.entries(lock.packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (resolves(lock.packages, place, name)) continue;
      delete entry.optionalDependencies[name];
      struck += 1;
    }
  }
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  log('lock', `written, without ${struck} optional packages of other platforms`);
});
