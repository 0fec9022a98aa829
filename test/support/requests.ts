// What tests of requests share.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AioContext, BlockError } from '../../lib/index.js';

/** The code that the promise rejects with; 'none' when it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return (error as BlockError).code;
  }
}

/** The code that `call` throws; 'none' when it returns. */
export function codeThrown(call: () => unknown): string {
  try {
    call();
    return 'none';
  } catch (error) {
    return (error as BlockError).code;
  }
}

/** A new image in `folder`, filled with one byte. */
export function makeImage(folder: string, name: string, bytes: number, fill = 0x64): string {
  const filename = join(folder, name);
  writeFileSync(filename, Buffer.alloc(bytes, fill));
  return filename;
}

/** Operations of each kind that `work` gave to the engine. */
export async function submittedBy(
  context: AioContext,
  work: () => Promise<unknown>,
): Promise<{ read: number; write: number; fdatasync: number; call: number }> {
  const before = context.info().submitted;
  await work();
  const after = context.info().submitted;
  return {
    read: after.read - before.read,
    write: after.write - before.write,
    fdatasync: after.fdatasync - before.fdatasync,
    call: after.call - before.call,
  };
}

/** The open(2) flags of this process's descriptors of `filename`. */
export function openFlags(filename: string): number[] {
  const flags: number[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== filename) continue;
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      flags.push(Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? '', 8));
    } catch {
      // Closed meanwhile: the one that lists the folder.
    }
  }
  return flags;
}

/** Moves the clock until `promise` has settled, and gives what it gives. */
export async function inVirtualTime<T>(context: AioContext, promise: Promise<T>): Promise<T> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  for (let step = 0; step < 10_000 && !settled; step += 1) await context.advance(1000);
  if (!settled) throw new Error('still waiting after 10 ms of virtual time');
  return promise;
}
