import { diskCommand } from '../command.js';
import { outcomeOf } from '../outcome.js';

/** A failure shows in the exit code alone, as with qemu-io. */
export const flush = diskCommand({
  name: 'flush',
  alias: 'f',
  summary: 'flush all in-core file state to disk',
  run: (io, _argv, blk) => outcomeOf(io.wait(blk.flush())),
});
