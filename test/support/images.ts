// Image files for tests, in a folder that goes when the test file is done.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'block-backend-test-'));
let count = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A new file; `content` repeats up to `bytes`, or the file is one hole. */
export function image(bytes: number, content?: Uint8Array): string {
  count += 1;
  const filename = join(folder, `image${count}`);
  writeFileSync(filename, content === undefined ? '' : Buffer.alloc(bytes, content));
  truncateSync(filename, bytes);
  return filename;
}
