// Runs the command line as users do.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, endOf } from './ended.js';

export const main = join(__dirname, '../../dist/cli/main.js');

export interface BlkOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly onStart?: (child: ChildProcess) => void;
}

/** `blk ...args`. Its progress goes to a pipe, so it prints plain lines. */
export function blk(args: readonly string[], { env, onStart }: BlkOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
  const ended = endOf(child);
  onStart?.(child);
  return ended;
}

/** A folder that exists while `body` runs. */
export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'blk-test-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
