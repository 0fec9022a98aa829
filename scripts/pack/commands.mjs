// The command line of the installed package, by npx as its users start it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { log, UserError } from '../lib/project.mjs';
import { npmProgram } from './project.mjs';

/** `npx --no blk ...` in the project; never asks a registry. */
function blk(project, args, path) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [npmProgram(), 'exec', '--no', '--', 'blk', ...args],
    { cwd: project.folder, encoding: 'utf8', env: { ...process.env, ...project.env(path) } },
  );
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

function expect(what, { status, stdout, stderr }, expected, pattern) {
  if (status === expected && pattern.test(stdout + stderr)) {
    log('pack', `${what}: ${(stdout || stderr).split('\n', 1)[0]}`);
    return;
  }
  throw new UserError(`${what} ended with ${status}: ${stdout} ${stderr}`);
}

export function checkCommands(project) {
  writeFileSync(join(project.folder, 'disk.img'), Buffer.alloc(1024 ** 2));
  const bench = ['bench', 'disk.img', '--runtime', '200ms', '--json'];
  expect('blk --version', blk(project, ['--version']), 0, /^\d+\.\d+\.\d+/);
  expect('blk bench', blk(project, bench), 0, /"requests": *[1-9]/);
  // There is no compiler in its PATH, and it says what to install.
  expect(
    'blk rebuild',
    blk(project, ['rebuild']),
    1,
    /^blk: rebuild needs cmake, make, g\+\+: run /,
  );
}

/** With the machine's own PATH, and cmake-js and node-addon-api installed the way it says. */
export async function checkRebuild(project) {
  const path = process.env.PATH;
  const refused = blk(project, ['rebuild'], path);
  expect('blk rebuild', refused, 1, /run npm install --no-save \S+ \S+ and then npx blk rebuild$/);
  const [, packages] = /--no-save (\S+ \S+) and/.exec(refused.stderr);
  const install = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  if ((await project.npm([...install, ...packages.split(' ')])) !== 0) {
    throw new UserError(`npm cannot install ${packages}`);
  }
  expect(
    'blk rebuild',
    blk(project, ['rebuild'], path),
    0,
    /block_backend\.node: compiled and loaded/,
  );
  expect('blk info', blk(project, ['info']), 0, /block-backend/);
}
