// Tiny file systems, for tests that fill them. Only root can mount.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foreignEnv } from './tools.js';

export interface Mount {
  /** Where it is mounted. */
  readonly folder: string;
  /** Why it is not; undefined: it is. */
  readonly refusal: string | undefined;
}

function refusal(command: string, args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: foreignEnv(),
  });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim() || `${command} failed`);
}

function mounted(args: (folder: string) => readonly string[]): Mount {
  const outer = mkdtempSync(join(tmpdir(), 'block-backend-mount-'));
  const problem = refusal('mount', args(outer));
  afterAll(() => {
    if (problem === undefined) spawnSync('umount', ['--lazy', outer]);
    rmSync(outer, { recursive: true, force: true });
  });
  return { folder: outer, refusal: problem };
}

/** A tmpfs of `bytes` bytes. */
export function tinyTmpfs(bytes: number): Mount {
  return mounted((folder) => ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', folder]);
}

/** A ramfs: no zero-range, no holes. */
export function ramfs(): Mount {
  return mounted((folder) => ['-t', 'ramfs', 'none', folder]);
}

export function remount({ folder }: Mount, options: string): void {
  const problem = refusal('mount', ['-o', `remount,${options}`, folder]);
  if (problem !== undefined) throw new Error(problem);
}

/** An ext4 of `bytes` bytes in an image file, through a loop device. */
export function tinyExt4(bytes: number): Mount {
  const outer = mkdtempSync(join(tmpdir(), 'block-backend-ext4-'));
  const image = join(outer, 'ext4.img');
  closeSync(openSync(image, 'w'));
  truncateSync(image, bytes);
  const problem = refusal('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  const mount =
    problem === undefined
      ? mounted((folder) => ['-o', 'loop', image, folder])
      : { folder: outer, refusal: problem };
  afterAll(() => rmSync(outer, { recursive: true, force: true }));
  return mount;
}

/** A `describe` on the mount, skipped with the reason in its title when there is none. */
export function describeMounted(title: string, mount: Mount, body: () => void): void {
  if (mount.refusal === undefined) describe(title, body);
  else describe.skip(`${title} (cannot mount: ${mount.refusal})`, body);
}
