// Image files for tests.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './matrix.js';

const folder = scratchFolder();
let count = 0;

/** A new file of `bytes` bytes; `content` repeats, or the file is one hole. */
export function image(bytes: number, content?: Uint8Array): string {
  count += 1;
  const filename = join(folder, `image${count}`);
  writeFileSync(filename, content === undefined ? '' : Buffer.alloc(bytes, content));
  truncateSync(filename, bytes);
  return filename;
}
