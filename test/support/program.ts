// Programs that use the built package in a process of their own, for what jest's own handlers hide.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reportOnly } from './leaks.js';

const root = join(__dirname, '../..');

/** Runs CommonJS code that can require('block-backend'), and parses what it prints as JSON. */
export async function program(code: string, env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '-e', code], {
    cwd: root,
    env: { ...process.env, ...reportOnly(), ...env },
    // LeakSanitizer lists all that V8 leaves behind when a program calls process.exit().
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(stdout);
}
