import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { type Flags, readFlags, readPattern, refuseUsage } from '../flags.js';
import { outcomeOf, readSize, refuse } from '../outcome.js';
import { dumpLines, isFilledWith, READ_PATTERN } from '../pattern-buffer.js';
import { reportLines } from '../report.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { checkSectors, MAX_BYTES, transfer } from '../transfer.js';

interface Wish {
  readonly flags: Flags;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly pattern: number;
  /** What of the data must be the pattern, from its start. */
  readonly checkedFrom: bigint;
  readonly checked: bigint;
}

function readWish(io: CommandEnvironment, argv: readonly string[]): Wish {
  const say = (line: string): void => io.out(line);
  let pattern = 0;
  let checkedFrom = 0n;
  let checked = 0n;
  const { flags, operands } = readFlags(io, definition, argv, 'bCl:pP:qs:v', {
    l: (text) => {
      checked = readSize(io, text);
    },
    P: (text) => {
      pattern = readPattern(io, text);
    },
    s: (text) => {
      checkedFrom = readSize(io, text);
    },
  });
  const [first, second] = operands;
  if (operands.length !== 2 || first === undefined || second === undefined) {
    return refuseUsage(io, definition);
  }
  const offset = readSize(io, first);
  const bytes = readSize(io, second);
  if (bytes > MAX_BYTES) refuse(say, `length cannot exceed ${MAX_BYTES}, given ${second}`);
  if (!flags.has('P') && (flags.has('l') || flags.has('s'))) refuseUsage(io, definition);
  if (!flags.has('l')) checked = bytes - checkedFrom;
  if (checked < 0n || checked + checkedFrom > bytes) {
    refuse(say, 'pattern verification range exceeds end of read data');
  }
  if (flags.has('b')) checkSectors(io, offset, bytes);
  return { flags, offset, bytes, pattern, checkedFrom, checked };
}

function verify(io: CommandEnvironment, buffer: Buffer, wish: Wish): number {
  const { flags, offset, pattern, checkedFrom, checked } = wish;
  if (!flags.has('P')) return 0;
  const part = buffer.subarray(Number(checkedFrom), Number(checkedFrom + checked));
  if (isFilledWith(part, pattern)) return 0;
  io.out(`Pattern verification failed at offset ${offset + checkedFrom}, ${checked} bytes`);
  return Errno.EINVAL;
}

async function runRead(io: CommandEnvironment, wish: Wish, blk: BlockBackend): Promise<number> {
  const { flags, offset, bytes } = wish;
  let seconds = 0;
  let data: Buffer = Buffer.alloc(0);
  const read = async (buffer: Buffer): Promise<number> => {
    data = buffer.fill(READ_PATTERN);
    const elapsed = startWatch();
    const outcome = await outcomeOf(io.wait(blk.pread(Number(offset), buffer)));
    seconds = elapsed();
    return outcome;
  };
  // No driver of this package keeps the state of a machine.
  const result = flags.has('b') ? Errno.ENOTSUP : await transfer(io, blk, wish, read);
  if (result < 0) {
    io.out(`read failed: ${strerror(result)}`);
    return result;
  }
  const verified = verify(io, data, wish);
  if (flags.has('q')) return verified;
  if (flags.has('v')) for (const line of dumpLines(data, offset)) io.out(line);
  const report = { operation: 'read', offset, bytes, seconds, terse: flags.has('C') };
  for (const line of reportLines(report)) io.out(line);
  return verified;
}

const definition: DiskCommand = {
  name: 'read',
  alias: 'r',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  parameters: '[-abCqv] [-P pattern [-s off] [-l len]] off len',
  summary: 'reads a number of bytes at a specified offset',
  help: [
    'Reads len bytes at the offset off and says how long it took.',
    " -P byte  every byte must be this one, else the command fails ('-P 0xcd')",
    ' -s off   of the data, check only what comes from there on (with -P)',
    ' -l len   and only so many bytes (with -P)',
    ' -v       shows the data',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
    ' -b       reads the state of a machine instead of the disk',
    ' -p       does nothing',
  ],
  run: (io, argv, blk) => runRead(io, readWish(io, argv), blk),
};

export const read = diskCommand(definition);
