// Disks without bytes, for tests that care about when and not about what.

import type { BackendSettings } from '../../lib/index.js';
import { AioContext, BlockBackend, type BlockdevOptions } from '../../lib/index.js';

/** Long enough to be still under way in the tick that started it, and short enough to wait for. */
export const SOME_LATENCY = 2_000_000;

/** A null-aio disk of 1 MiB whose every request takes `latency` ns. */
export function slowDisk(latency = SOME_LATENCY, more: Partial<BlockdevOptions> = {}) {
  return { driver: 'null-aio', size: 1 << 20, 'latency-ns': latency, ...more };
}

/** A null-co disk of 1 MiB: every request is done at once. */
export function fastDisk(more: Partial<BlockdevOptions> = {}): BlockdevOptions {
  return { driver: 'null-co', size: 1 << 20, ...more };
}

/** A backend on such a disk in a virtual context of its own; both are closed by the test's end. */
export async function openVirtual(
  options: BlockdevOptions,
  settings: BackendSettings = {},
): Promise<{ context: AioContext; blk: BlockBackend }> {
  const context = new AioContext({ home: 'virtual' });
  const blk = await BlockBackend.open(options, { ...settings, context });
  return { context, blk };
}
