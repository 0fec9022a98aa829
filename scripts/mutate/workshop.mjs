// A copy of the checkout, in which sources are changed, built and tested.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../lib/project.mjs';
import { capture } from '../lib/run.mjs';
import { mutated } from './candidates.mjs';
import { roundsFor } from './tests.mjs';

const BUILD_SECONDS = 600;
const NATIVE_SECONDS = 120;
const ROUND_SECONDS = 420;

/** Runs node or a program; what it ends with. */
function runIn(cwd, [program, ...args], seconds, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-100_000);
      });
    }
    let late = false;
    // Its children as well: a mutant may leave some behind.
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // None is left.
      }
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, seconds * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      end();
      resolve({ ok: code === 0, late, output });
    });
  });
}

/** What differs is newer than all that was built of it: a run that was ended may have left a mutant. */
function bring(from, to) {
  const content = readFileSync(from);
  if (existsSync(to) && readFileSync(to).equals(content)) return;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, content, { mode: statSync(from).mode });
}

/** Who noticed, in a few words. */
function witness({ late, output }) {
  if (late) return 'no end';
  const test = /● (.+)/.exec(output)?.[1] ?? /TEST CASE:\s+(.+)/.exec(output)?.[1];
  return test?.trim() ?? 'a crash';
}

export class Workshop {
  constructor(root, folder) {
    Object.assign(this, { root, folder });
  }

  /** Copies what git knows of, changes included, and builds it. */
  async prepare() {
    const { root, folder } = this;
    const listed = capture('git', ['ls-files', '--cached', '--others', '--exclude-standard']);
    for (const name of listed.split('\n').filter((file) => existsSync(join(root, file)))) {
      bring(join(root, name), join(folder, name));
    }
    const modules = join(folder, 'node_modules');
    if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules);
    if (!(await this.#build([])).ok) throw new UserError('the unchanged copy does not build');
  }

  #build(args) {
    const command = [process.execPath, 'scripts/build.mjs', '--separate', ...args];
    return runIn(this.folder, command, BUILD_SECONDS);
  }

  #jest(tests) {
    const flags = ['--bail', '--forceExit', '--silent', '--runTestsByPath'];
    const command = [process.execPath, 'node_modules/jest/bin/jest.js', ...flags, ...tests];
    return runIn(this.folder, command, ROUND_SECONDS, { BLOCK_BACKEND_TEST_WORKERS: '2' });
  }

  /** status: killed, survived or invalid; by: who noticed. */
  async judge(mutant) {
    const path = join(this.folder, mutant.file);
    const original = readFileSync(path);
    writeFileSync(path, mutated(this.folder, mutant));
    try {
      return await this.#judgeBuilt(mutant);
    } finally {
      writeFileSync(path, original);
    }
  }

  async #judgeBuilt({ file }) {
    const isNative = file.startsWith('native/');
    const built = await this.#build([isNative ? '--native' : '--ts']);
    if (!built.ok) return { status: 'invalid', by: 'the compiler' };
    if (isNative) {
      const ran = await runIn(this.folder, ['build/Release/block_backend_test'], NATIVE_SECONDS);
      if (!ran.ok) return { status: 'killed', by: witness(ran) };
    }
    for (const round of roundsFor(this.root, file)) {
      const ran = await this.#jest(round);
      if (!ran.ok) return { status: 'killed', by: witness(ran) };
    }
    return { status: 'survived', by: '' };
  }

  /** The tests of a file pass while nothing is changed. What fails otherwise. */
  async baseline(file) {
    await this.#build([]);
    for (const round of roundsFor(this.root, file)) {
      const ran = await this.#jest(round);
      if (!ran.ok) return witness(ran);
    }
    return undefined;
  }
}
