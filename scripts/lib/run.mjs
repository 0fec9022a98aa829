// Child processes.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { root, UserError } from './project.mjs';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Lets a child end first when a signal tells this process to: it may have to clean up. Returns what
 * is to be called when it has ended.
 */
function endAfter(child) {
  let received;
  const pass = (signal) => {
    // The second one does not wait.
    if (received) process.exit(128 + os.signals[signal]);
    received = signal;
    // A terminal sends this one to both.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of endingSignals) process.on(signal, pass);
  return () => {
    for (const signal of endingSignals) process.off(signal, pass);
    if (received) process.exit(128 + os.signals[received]);
  };
}

/** Runs a command with the terminal attached and resolves to its exit code. */
export function run(command, args, { env = {}, cwd = root, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } });
    onStart?.(child);
    const ended = endAfter(child);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      ended();
      if (signal) process.stderr.write(`${command} was ended by ${signal}\n`);
      resolve(code ?? 1);
    });
  });
}

/** Like run, but a failure ends the script. */
export async function mustRun(what, command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) throw new UserError(`${what} failed (exit code ${code})`);
}

/** Runs a JavaScript tool with this node. */
export const runNode = (script, args, options) => run(process.execPath, [script, ...args], options);

/** Like runNode, but a failure ends the script. */
export const mustRunNode = (what, script, args, options) =>
  mustRun(what, process.execPath, [script, ...args], options);

/** The trimmed standard output of a command, or undefined if it failed. */
export function capture(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** The environment for programs of others: a sanitizer's run-time library must not get into them. */
export function foreignEnv() {
  const { LD_PRELOAD: _, ...env } = process.env;
  return env;
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
