// The shell commands in README.md and docs/, run as far as a test can: ours for what they are, those that
// would install, build or change the host replaced by programs that only look at their arguments.
import { execFile } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { main, withFolder } from './blk.js';
import { makeUserFolder } from './samples.js';
import { foreignEnv, nodeCommand } from './tools.js';

const root = join(__dirname, '../..');

/** Programs that only have to be named. */
const ELSEWHERE = ['docker', 'fuser', 'git', 'nbdinfo', 'prlimit', 'sudo', 'sysctl', 'systemd-run'];

/** One program under many names. Fails when arguments name what this package does not have. */
const STAND_IN = `#!/bin/bash
name=$(basename "$0")
fail() { echo "$name $*: there is no such thing" >&2; exit 1; }
# Ends a server as soon as it serves.
serve() {
  "$REAL_NODE" "$BLK" "$@" > "$1.out" & server=$!
  until grep -q nbd "$1.out" || [ -S qmp.sock ]; do kill -0 $server || exit 1; sleep 0.05; done
  kill -INT $server; wait $server
}
case "$name $1" in
  "npm run") [[ " $SCRIPTS " == *" $2 "* ]] || fail "$@" ;;
  "npm install" | "npm test") ;;
  "npx jest") [ -e "$ROOT/$2" ] || fail "$@" ;;
  "git clone") mkdir "$3" && cp -r "$ROOT/native" "$3" ;;
  "npx blk") shift; [ "$1" = rebuild ] || exec "$REAL_NODE" "$BLK" "$@" ;;
  "npx tsc") ;;
  "node scripts/"* | "node build/"*) [ -e "$ROOT/$1" ] || fail "$@" ;;
  "node "*) exec "$REAL_NODE" "$@" ;;
  "blk daemon" | "blk serve") serve "$@" ;;
  "blk "*) exec "$REAL_NODE" "$BLK" "$@" ;;
  "pidof "*) echo "$SOME_PID" ;;
  npm* | npx*) fail "$@" ;;
esac
`;

/** The shell samples of a page, in order; those of lists stand further to the right. */
export function shellSamplesOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)].map(([, indent = '', code = '']) =>
    code.replaceAll(`\n${indent}`, '\n').slice(indent.length),
  );
}

function scriptNames(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(scripts);
}

function makeStandIns(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const first = join(bin, 'blk');
  writeFileSync(first, STAND_IN);
  chmodSync(first, 0o755);
  for (const name of ['node', 'npm', 'npx', 'pidof', ...ELSEWHERE])
    linkSync(first, join(bin, name));
  return bin;
}

/** Node, under one name. */
function makeRealNode(folder: string): string {
  const program = join(folder, 'real-node');
  writeFileSync(program, `#!/bin/sh\nexec ${nodeCommand().join(' ')} "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

/** Runs the commands in a folder with a disk.img and a file of commands; resolves to what they print. */
export function runShell(code: string): Promise<string> {
  return withFolder(async (folder) => {
    makeUserFolder(folder);
    writeFileSync(join(folder, 'commands'), 'read 0 512\n');
    const env = {
      ...foreignEnv(),
      PATH: `${makeStandIns(folder)}:${process.env.PATH}`,
      BLK: main,
      REAL_NODE: makeRealNode(folder),
      SOME_PID: String(process.pid),
      ROOT: root,
      SCRIPTS: scriptNames().join(' '),
    };
    // Without pipefail: `ldd --version | head -n 1` ends with SIGPIPE, or not.
    const script = `set -e\n${code}\nwait\n`;
    const run = promisify(execFile);
    const { stdout } = await run('bash', ['-c', script], { cwd: folder, env, timeout: 120_000 });
    return stdout;
  });
}
