import type { BlockBackend } from '../../block-backend.js';
import type { Lane } from './lanes.js';
import type { Load } from './load.js';

async function runLane(blk: BlockBackend, load: Load, { buffer, words }: Lane): Promise<void> {
  let start = performance.now();
  while (!load.over) {
    if (load.nextWrites()) {
      await blk.pwrite(load.nextOffset(), buffer);
      start = load.finished(start, undefined);
    } else {
      await blk.pread(load.nextOffset(), buffer);
      start = load.finished(start, words);
    }
  }
}

/** One awaiting loop per lane. The first failure ends all. */
export async function promiseLoad(blk: BlockBackend, load: Load, lanes: Lane[]): Promise<void> {
  const ends = await Promise.allSettled(
    lanes.map((lane) =>
      runLane(blk, load, lane).finally(() => {
        load.over = true;
      }),
    ),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
