import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { readFlags, refuseUsage } from '../flags.js';
import { outcomeOf, readSize, refuse } from '../outcome.js';
import { reportLines } from '../report.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { endsBehind, MAX_BYTES } from '../transfer.js';

async function runDiscard(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const say = (line: string): void => io.out(line);
  const { flags, operands } = readFlags(io, definition, argv, 'Cq');
  const [first, second] = operands;
  if (operands.length !== 2 || first === undefined || second === undefined) {
    return refuseUsage(io, definition);
  }
  const offset = readSize(io, first);
  const bytes = readSize(io, second);
  if (bytes > MAX_BYTES) refuse(say, `length cannot exceed ${MAX_BYTES}, given ${second}`);
  const elapsed = startWatch();
  const result = endsBehind(blk, offset, bytes)
    ? Errno.EIO
    : await outcomeOf(io.wait(blk.pdiscard(Number(offset), Number(bytes))));
  const seconds = elapsed();
  if (result < 0) {
    io.out(`discard failed: ${strerror(result)}`);
    return result;
  }
  if (flags.has('q')) return 0;
  const report = { operation: 'discard', offset, bytes, seconds, terse: flags.has('C') };
  for (const line of reportLines(report)) io.out(line);
  return 0;
}

const definition: DiskCommand = {
  name: 'discard',
  alias: 'd',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  permissions: ['write'],
  parameters: '[-Cq] off len',
  summary: 'discards a number of bytes at a specified offset',
  help: [
    'Tells the disk that len bytes at the offset off are not needed any more.',
    ' -q  says nothing unless it fails',
    ' -C  reports in one line, for machines',
  ],
  run: runDiscard,
};

export const discard = diskCommand(definition);
