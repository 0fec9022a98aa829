// Is every binary there that a release must have, and will node-gyp-build choose it?
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { root, UserError } from '../lib/project.mjs';
import { filesBelow } from '../lib/stale.mjs';
import { targets } from './targets.mjs';

const name = (file) => relative(root, file);

/** What node-gyp-build itself finds on the target's platform. */
export function chosenFile(target) {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['-p', `require('node-gyp-build').path(${JSON.stringify(root)})`],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        npm_config_platform: 'linux',
        npm_config_arch: target.arch,
        LIBC: target.libc,
        // A checkout's own build comes first otherwise.
        PREBUILDS_ONLY: '1',
      },
    },
  );
  return status === 0 ? stdout.trim() : undefined;
}

export function checkChoice(target) {
  const chosen = chosenFile(target);
  if (chosen === target.file) return;
  const found = chosen === undefined ? 'none' : name(chosen);
  throw new UserError(`on ${target.id} node-gyp-build chooses ${found}, not ${name(target.file)}`);
}

/** What a release lacks, or has too much. */
export function gateFindings() {
  const expected = targets.map(({ file }) => file);
  const missing = expected.filter((file) => !existsSync(file));
  const unknown = filesBelow('prebuilds').filter((file) => !expected.includes(file));
  return [
    ...missing.map((file) => `${name(file)} is missing`),
    ...unknown.map((file) => `${name(file)} is none of the expected binaries`),
  ];
}
