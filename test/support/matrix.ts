// The combinations that a behaviour must hold on: both real engines, both homes. The files that
// tests open can be switched as a whole, so that one suite shows the page cache warm, cold and absent:
//   BLOCK_BACKEND_TEST_DIRECT=1   every file is opened with cache.direct=on
//   BLOCK_BACKEND_TEST_COLD=1     the page cache is dropped before every test (root only)
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AioContext, type BlockdevOptions } from '../../lib/index.js';

export interface Combination {
  readonly home: 'node' | 'iothread';
  readonly aio: 'io_uring' | 'threads';
}

export const combinations: readonly Combination[] = [
  { home: 'node', aio: 'io_uring' },
  { home: 'node', aio: 'threads' },
  { home: 'iothread', aio: 'io_uring' },
  { home: 'iothread', aio: 'threads' },
];

export const direct = process.env.BLOCK_BACKEND_TEST_DIRECT === '1';
const cold = process.env.BLOCK_BACKEND_TEST_COLD === '1';

/** Drops clean pages, so that the next read must go to the disk. */
export function dropPageCache(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}

/**
 * Declares the tests of `body` once for every combination. The context is made before the first of
 * them and closed after the last: a backend that a test forgets to close makes that fail.
 */
export function onEveryEngineAndHome(body: (context: () => AioContext) => void): void {
  describe.each(combinations)('on $aio in $home', (combination) => {
    let context: AioContext | undefined;
    beforeAll(() => {
      context = new AioContext(combination);
    });
    beforeEach(() => {
      if (cold) dropPageCache();
    });
    afterAll(async () => {
      await context?.close();
    });
    body(() => context as AioContext);
  });
}

/** A folder for the files of one test file, removed at its end. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-test-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Options of a `file` node, as the switches above say; `more` has the last word. */
export function fileOptions(
  filename: string,
  more: Partial<BlockdevOptions> = {},
): BlockdevOptions {
  return { driver: 'file', filename, ...(direct ? { cache: { direct: true } } : {}), ...more };
}

/** Options of a `raw` node over such a file. */
export function rawOptions(filename: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions {
  return { driver: 'raw', file: fileOptions(filename, more) };
}
