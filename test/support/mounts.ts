// File systems and devices that only root can make. Tests that need them are skipped, with the
// reason in their title, where they cannot be had.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';

function tryRun(program: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

/** Mounts a file system of `type` at `folder` until the end of the file's tests. */
export function mount(type: string, folder: string, options: string): void {
  beforeAll(() => {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', type, '-o', options, type, folder], { stdio: 'pipe' });
  });
  afterAll(() => {
    execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
  });
}

export function remount(folder: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, folder], { stdio: 'pipe' });
}

/** A loop device over `filename`. Detach it with {@link detachLoop}. */
export function attachLoop(filename: string, ...options: string[]): string {
  return execFileSync('losetup', ['--find', '--show', ...options, filename], {
    encoding: 'utf8',
  }).trim();
}

export function detachLoop(device: string): void {
  execFileSync('losetup', ['--detach', device]);
}

const isRoot = process.getuid?.() === 0;
const canLoop = isRoot && tryRun('losetup', '--find') !== undefined;
const canMount =
  isRoot && existsSync('/bin/mount') && tryRun('unshare', '-m', 'true') !== undefined;

/** A `describe` for tests with loop devices. */
export function describeWithLoop(title: string, body: () => void): void {
  if (canLoop) describe(title, body);
  else describe.skip(`${title} (no loop devices here)`, body);
}

/** A `describe` for tests that mount file systems. */
export function describeWithMount(title: string, body: () => void): void {
  if (canMount) describe(title, body);
  else describe.skip(`${title} (mounting is not allowed here)`, body);
}
