// Files that tell which process a daemon is.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CliError } from '../shared/cli-error.js';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function pidIn(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @returns what removes it again.
 * @throws CliError when the process that the file names still runs, or the file cannot be written.
 */
export function writePidFile(name: string): () => void {
  const path = resolve(name);
  const other = pidIn(path);
  if (other !== undefined && other !== process.pid && isRunning(other)) {
    throw new CliError(`--pidfile ${name}: it is in use by the process ${other}`);
  }
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (error) {
    throw new CliError(`--pidfile ${name}: ${(error as Error).message}`);
  }
  return () => {
    if (pidIn(path) === process.pid) rmSync(path, { force: true });
  };
}
