// Image locks as the kernel lists them, and whoever holds them.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendSettings, BlockdevOptions, PermissionName } from '../../lib/index.js';
import { codeOf } from './requests.js';
import { foreignEnv, nodeCommand } from './tools.js';
import { until } from './waiting.js';

export interface KernelLock {
  /** 'OFDLCK', 'POSIX' */
  readonly kind: string;
  /** 'READ', 'WRITE' */
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

const LINE = /^\d+: (\w+)\s+\w+\s+(\w+) -?\d+ \w+:\w+:(\d+) (\d+) (\d+|EOF)$/;

/** Every lock on the file, whoever holds it; adjacent bytes of one holder come as one. */
export function kernelLocks(filename: string): KernelLock[] {
  const { ino } = statSync(filename);
  return locksOfInode(ino);
}

/**
 * The kernel shows its list a page at a time, and locks that others take in between move the rest:
 * what is read twice alike was whole.
 */
function readStable(path: string): string {
  let before = readFileSync(path, 'utf8');
  for (let tries = 0; tries < 50; tries += 1) {
    const again = readFileSync(path, 'utf8');
    if (again === before) break;
    before = again;
  }
  return before;
}

/** The same for a file that may have no name any more. */
export function locksOfInode(ino: number): KernelLock[] {
  const locks: KernelLock[] = [];
  for (const line of readStable('/proc/locks').split('\n')) {
    const [, kind = '', type = '', inode, start, end] = LINE.exec(line) ?? [];
    if (Number(inode) !== ino) continue;
    const last = end === 'EOF' ? Number.POSITIVE_INFINITY : Number(end);
    locks.push({ kind, type, start: Number(start), end: last });
  }
  return locks.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The locked bytes in order; one that two hold is there twice. */
export function lockedBytes(filename: string): number[] {
  return kernelLocks(filename)
    .flatMap(({ start, end }) => Array.from({ length: end - start + 1 }, (_, i) => start + i))
    .sort((a, b) => a - b);
}

export const PERMISSION_NAMES: readonly PermissionName[] = [
  'consistent-read',
  'write',
  'write-unchanged',
  'resize',
];

/** The names of the bits of a permission mask. */
export function namesOf(bits: number): PermissionName[] {
  return PERMISSION_NAMES.filter((_, index) => (bits & (1 << index)) !== 0);
}

/** The bytes that stand for a pair of masks: 100 + i for each held, 200 + i for each unshared bit. */
export function bytesOf(permissions: number, shared: number): number[] {
  const bits = [0, 1, 2, 3];
  return [
    ...bits.filter((bit) => (permissions & (1 << bit)) !== 0).map((bit) => 100 + bit),
    ...bits.filter((bit) => (shared & (1 << bit)) === 0).map((bit) => 200 + bit),
  ];
}

export type Mode = 'rw' | 'ro' | 'ro+force-share';
export type Format = 'raw' | 'qcow2';

/**
 * How we open the file of an image of that format: a qcow2 file is opened raw, with the permissions
 * that the qcow2 driver takes on it (LOCK-5).
 */
export function asFormat(
  format: Format,
  mode: Mode,
  filename: string,
): { options: BlockdevOptions; settings: BackendSettings } {
  const options = {
    driver: 'raw',
    'read-only': mode !== 'rw',
    'force-share': mode === 'ro+force-share',
    file: { driver: 'file', filename },
  };
  if (format === 'raw') return { options, settings: {} };
  const permissions = namesOf(mode === 'rw' ? 0b1011 : 0b0001);
  return { options, settings: { permissions, shared: namesOf(0b0101) } };
}

/** The same for a genuine tool: qemu-io's arguments. */
export function toolArguments(format: Format, mode: Mode, filename: string): string[] {
  const flags = { rw: [], ro: ['-r'], 'ro+force-share': ['-r', '-U'] }[mode];
  return [...flags, '-f', format, filename];
}

/** What a genuine tool says to opening the image for a moment. */
export interface Verdict {
  readonly ok: boolean;
  readonly text: string;
}

export function runTool(program: string, args: readonly string[]): Verdict {
  const { status, stderr, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    env: foreignEnv(),
    timeout: 20_000,
  });
  return { ok: status === 0, text: stderr + stdout };
}

/** qemu-io opens the image and reads from it. */
export function tryTool(format: Format, mode: Mode, filename: string): Verdict {
  return runTool('qemu-io', ['-c', 'read 0 512', ...toolArguments(format, mode, filename)]);
}

/** A process that has the image open. */
export interface Holder {
  /** Lets it end by itself. */
  release(): Promise<void>;
  /** kill -9 */
  kill(): Promise<void>;
  /** What it has written to its standard error. */
  errors(): string;
}

function holderOf(child: ChildProcess, errors: () => string): Holder {
  const closed = once(child, 'close');
  return {
    errors,
    async release() {
      child.stdin?.end();
      await closed;
    },
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

async function started(child: ChildProcess, holds: () => boolean, filename: string) {
  let errors = '';
  child.stderr?.on('data', (text) => {
    errors += text;
  });
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await until(() => holds() || ended());
  if (ended()) throw new Error(`nobody holds '${filename}': ${errors}`);
  return holderOf(child, () => errors);
}

/**
 * A genuine tool that keeps the image open: qemu-io waits for commands, qemu-nbd for clients. The first
 * locked byte is too early: they lock more as the layers above the file are opened, and qemu-io asks for a
 * command when all are.
 */
export function holdWithTool(
  program: string,
  args: readonly string[],
  filename: string,
): Promise<Holder> {
  const before = lockedBytes(filename).length;
  const child = spawn(program, args, { env: foreignEnv(), stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  const asks = () => program !== 'qemu-io' || said.includes('qemu-io>');
  return started(child, () => lockedBytes(filename).length > before && asks(), filename);
}

/** Another process of ours that keeps the image open. */
export function holdWithOurs(
  options: BlockdevOptions,
  settings: BackendSettings,
  filename: string,
  wrapper: readonly string[] = [],
): Promise<Holder> {
  const holder = join(__dirname, '../drivers/lock-holder-child.cjs');
  const [program, ...args] = [...wrapper, ...nodeCommand(), holder];
  const task = JSON.stringify({ options, settings });
  const child = spawn(program, [...args, task], {
    env: foreignEnv(),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  return started(child, () => said.includes('holding'), filename);
}

/** The code that our opening it ends with: 'none' when it succeeds. It is closed again. */
export async function tryOurs(open: () => Promise<{ close(): Promise<void> }>): Promise<string> {
  return codeOf(open().then((blk) => blk.close()));
}
