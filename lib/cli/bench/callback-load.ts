import type { BlockBackend } from '../../block-backend.js';
import type { Lane } from './lanes.js';
import type { Load } from './load.js';

/** Starts the next request from the callback of the last one; one closure for all of them. */
function runLane(blk: BlockBackend, load: Load, { buffer, words }: Lane): Promise<void> {
  return new Promise((resolve, reject) => {
    let start = performance.now();
    let wrote = false;
    function submit(): void {
      wrote = load.nextWrites();
      if (wrote) blk.aio.pwrite(load.nextOffset(), buffer, done);
      else blk.aio.pread(load.nextOffset(), buffer, done);
    }
    function done(error: Error | null): void {
      if (error !== null) {
        load.over = true;
        reject(error);
        return;
      }
      start = load.finished(start, wrote ? undefined : words);
      if (load.over) resolve();
      else submit();
    }
    submit();
  });
}

/** The first failure ends all. */
export async function callbackLoad(blk: BlockBackend, load: Load, lanes: Lane[]): Promise<void> {
  const ends = await Promise.allSettled(lanes.map((lane) => runLane(blk, load, lane)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
