// What tests with blkdebug share.
import {
  type AioContext,
  type BackendSettings,
  type Blkdebug,
  BlockBackend,
  type BlockError,
  blkdebug,
} from '../../lib/index.js';
import { fileOptions } from './matrix.js';
import { until } from './waiting.js';

/** A raw disk over blkdebug over a file, which may be opened past the page cache. */
export async function openRaw(
  context: AioContext,
  filename: string,
  debug: object = {},
  more: object = {},
): Promise<{ blk: BlockBackend; dbg: Blkdebug }> {
  const file = { driver: 'blkdebug', image: fileOptions(filename), ...debug };
  const blk = await BlockBackend.open({ driver: 'raw', file, ...more }, { context });
  return { blk, dbg: blkdebug(blk.root ?? '') };
}

/** A backend on blkdebug itself. */
export async function openDebug(
  context: AioContext,
  filename: string,
  debug: object = {},
  settings: BackendSettings = {},
): Promise<{ blk: BlockBackend; dbg: Blkdebug }> {
  const options = { driver: 'blkdebug', image: fileOptions(filename), ...debug };
  const blk = await BlockBackend.open(options, { context, ...settings });
  return { blk, dbg: blkdebug(blk.root ?? '') };
}

/** Until a request waits under the tag. */
export function suspended(dbg: Blkdebug, tag: string): Promise<void> {
  return until(() => dbg.isSuspended(tag));
}

/** The sentence that the promise rejects with; '' when it resolves. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => '',
    (error: BlockError) => error.message,
  );
}
