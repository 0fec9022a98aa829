// Child processes.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, UserError } from './project.mjs';

/** Runs a command with the terminal attached and resolves to its exit code. */
export function run(command, args, { env = {}, cwd = root, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } });
    onStart?.(child);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (signal) process.stderr.write(`${command} was ended by ${signal}\n`);
      resolve(code ?? 1);
    });
  });
}

/** Runs a JavaScript tool with this node. */
export const runNode = (script, args, options) => run(process.execPath, [script, ...args], options);

/** Like runNode, but a failure ends the script. */
export async function mustRunNode(what, script, args, options) {
  const code = await runNode(script, args, options);
  if (code !== 0) throw new UserError(`${what} failed (exit code ${code})`);
}

/** The trimmed standard output of a command, or undefined if it failed. */
export function capture(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** The full path of a program, or undefined. */
export function which(program) {
  const candidates = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
