// Going on in the background: another process is started before anything is opened, and the first
// one ends when that one is ready (QEMU: os_daemonize).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ExitCode } from '../shared/cli-error.js';

/** Tells the child that it is one, and by which descriptor to say that it is ready. */
const VARIABLE = 'BLK_DAEMON_READY_FD';
const READY_FD = 3;

export function isDaemonChild(): boolean {
  return process.env[VARIABLE] !== undefined;
}

/** Starts this program again, detached; resolves with what this process should end with. */
export async function spawnDaemon(): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    env: { ...process.env, [VARIABLE]: String(READY_FD) },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  child.stderr?.on('data', (text: Buffer) => process.stderr.write(text));
  const pipe = child.stdio[READY_FD] as Readable;
  const ready = once(pipe, 'data').then(() => ExitCode.ok);
  const ended = once(child, 'exit').then(([code]) => (code as number | null) ?? ExitCode.failure);
  const code = await Promise.race([ready, ended]);
  // Neither the child nor what connects to it keeps this process.
  child.unref();
  child.stderr?.destroy();
  pipe.destroy();
  return code;
}

/** Says so to the process that waits for it; from now on nobody reads what this one writes. */
export function reportReady(): void {
  const fd = Number(process.env[VARIABLE]);
  if (!Number.isInteger(fd)) return;
  delete process.env[VARIABLE];
  process.stderr.on('error', () => {});
  process.chdir('/');
  writeSync(fd, 'ready\n');
  closeSync(fd);
}
