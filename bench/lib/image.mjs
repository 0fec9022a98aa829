// The files that all sides read and write.
import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHUNK = 4 * 1024 ** 2;

/** Runs `body` with a folder, and removes it afterwards. */
async function withFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'blk-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const end = () => process.exit(130);
  process.once('exit', remove);
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  try {
    return await body(folder);
  } finally {
    remove();
  }
}

/** Runs `body` with a file of random bytes, all of it allocated, and removes it afterwards. */
export function withImage(bytes, body) {
  return withFolder((folder) => body(filled(join(folder, 'image.raw'), bytes)));
}

/**
 * Runs `body` with such files, made when they are first asked for: `read()` gives the one that is only
 * read, `written()` the one that is written to.
 */
export function withImages(bytes, body) {
  return withFolder((folder) => {
    const made = new Map();
    const make = (name) => {
      if (!made.has(name)) made.set(name, filled(join(folder, name), bytes));
      return made.get(name);
    };
    return body({ read: () => make('read.raw'), written: () => make('written.raw') });
  });
}

function filled(filename, bytes) {
  const chunk = randomFillSync(Buffer.alloc(CHUNK));
  const file = openSync(filename, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes; written += CHUNK) {
      // Differs from chunk to chunk, in case a file system looks for copies.
      chunk.writeDoubleLE(written, 0);
      writeSync(file, chunk, 0, Math.min(CHUNK, bytes - written));
    }
    // Not to be written out while somebody measures.
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
  return filename;
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

/** Waits until all that was written to it is on the disk. */
export function settle(filename) {
  const file = openSync(filename, 'r+');
  try {
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}
