// The disk once more, as other programs see it: served over NBD, and read by a client that is not ours.

import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BlockBackend } from '../../block-backend.js';
import { NbdServer } from '../../index.js';
import { CliError, ExitCode } from '../shared/cli-error.js';

export interface NbdCheck {
  readonly client: string;
  readonly bytes: number;
  readonly seconds: number;
}

/** Copies a disk to its standard output (Debian: libnbd-bin). */
const CLIENT = 'nbdcopy';
const CHUNK = 1024 * 1024;

async function digestOf(blk: BlockBackend, length: number): Promise<Hash> {
  const hash = createHash('sha256');
  const buffer = blk.allocate(CHUNK);
  for (let offset = 0; offset < length; offset += CHUNK) {
    const part = buffer.subarray(0, Math.min(CHUNK, length - offset));
    await blk.pread(offset, part);
    hash.update(part);
  }
  return hash;
}

/** What the client copies; undefined: it is not installed. */
async function copied(uri: string): Promise<{ hash: Hash; bytes: number } | undefined> {
  const child = spawn(CLIENT, [uri, '-'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const hash = createHash('sha256');
  let bytes = 0;
  let errors = '';
  (child.stdout as Readable).on('data', (part: Buffer) => {
    hash.update(part);
    bytes += part.length;
  });
  (child.stderr as Readable).on('data', (text: Buffer) => {
    errors += String(text);
  });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code === 0) return { hash, bytes };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  throw new CliError(`${CLIENT} failed: ${errors.trim()}`);
}

/**
 * Serves the disk, read-only, to {@link CLIENT}, and compares what that has read with what is there;
 * undefined where the client is not installed.
 *
 * @throws (rejects) CliError: the client failed, or read something else.
 */
export async function checkOverNbd(blk: BlockBackend): Promise<NbdCheck | undefined> {
  const node = blk.root?.name ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'blk-demo-'));
  try {
    const server = await NbdServer.listen({ type: 'unix', path: join(folder, 'nbd.sock') });
    try {
      await server.addExport({ id: 'demo', 'node-name': node, name: '' });
      const start = performance.now();
      const copy = await copied(server.uri());
      if (copy === undefined) return undefined;
      const seconds = (performance.now() - start) / 1000;
      const own = await digestOf(blk, copy.bytes);
      if (own.digest('hex') !== copy.hash.digest('hex')) {
        const text = `${CLIENT} has read something else over NBD than what is on the disk`;
        throw new CliError(text, ExitCode.corruption);
      }
      return { client: CLIENT, bytes: copy.bytes, seconds };
    } finally {
      await server.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
