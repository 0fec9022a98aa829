import { graph } from '../../graph/graph.js';
import { type CommandEnvironment, diskCommand } from '../command.js';

/** Everything of this environment is waited for, and not only what these commands started. */
async function drainAll(io: CommandEnvironment): Promise<void> {
  const section = graph().drainAll();
  try {
    await io.wait(section.quiet());
    await io.requests.finished();
  } finally {
    section.end();
  }
}

export const aioFlush = diskCommand({
  name: 'aio_flush',
  summary: 'completes all outstanding aio requests',
  async run(io, _argv, blk) {
    const cookie = blk.accounting.start('flush', 0);
    await drainAll(io);
    blk.accounting.done(cookie);
    return 0;
  },
});
