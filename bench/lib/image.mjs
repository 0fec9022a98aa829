// The file that all sides read.
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHUNK = 4 * 1024 ** 2;

/** Runs `body` with a file of random bytes, all of it allocated, and removes it afterwards. */
export async function withImage(bytes, body) {
  const folder = mkdtempSync(join(tmpdir(), 'blk-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const end = () => process.exit(130);
  process.once('exit', remove);
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  try {
    const filename = join(folder, 'image.raw');
    fill(filename, bytes);
    return await body(filename);
  } finally {
    remove();
  }
}

function fill(filename, bytes) {
  const chunk = randomFillSync(Buffer.alloc(CHUNK));
  const file = openSync(filename, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes; written += CHUNK) {
      // Differs from chunk to chunk, in case a file system looks for copies.
      chunk.writeDoubleLE(written, 0);
      writeSync(file, chunk, 0, Math.min(CHUNK, bytes - written));
    }
  } finally {
    closeSync(file);
  }
}

/** Reads all of it, since an idle page cache is given back within a minute. */
export function readIntoCache(filename) {
  const chunk = Buffer.allocUnsafe(CHUNK);
  const file = openSync(filename, 'r');
  try {
    while (readSync(file, chunk, 0, CHUNK, null) > 0);
  } finally {
    closeSync(file);
  }
}
