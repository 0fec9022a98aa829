// Loop devices, which only root can have. Tests that need them are skipped, with the reason in
// their title, where they cannot be had.
import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { foreignEnv } from './tools.js';

function losetup(...args: string[]): string {
  return execFileSync('losetup', args, { encoding: 'utf8', env: foreignEnv(), stdio: 'pipe' });
}

function hasLoopDevices(): boolean {
  try {
    losetup('--find');
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** A loop device over `filename`. Detach it with {@link detachLoop}. */
export function attachLoop(filename: string, ...options: string[]): string {
  return losetup('--find', '--show', ...options, filename).trim();
}

/** The device is as long as its file, which has changed. */
export function resizeLoop(device: string, filename: string, bytes: number): void {
  truncateSync(filename, bytes);
  losetup('--set-capacity', device);
}

export function detachLoop(device: string): void {
  losetup('--detach', device);
}

/** A `describe` for tests with loop devices. */
export function describeWithLoop(title: string, body: () => void): void {
  if (hasLoopDevices()) describe(title, body);
  else describe.skip(`${title} (no loop devices here)`, body);
}
