import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { account, aioOptions, lengthsOf, type Started, start, tell } from '../aio-command.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { type Flags, readFlags, refuseUsage } from '../flags.js';
import { outcomeOf, readSize, refuse } from '../outcome.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { endsBehind, pieces, transfer } from '../transfer.js';

function writeDone(
  io: CommandEnvironment,
  blk: BlockBackend,
  started: Started,
  result: number,
): void {
  const seconds = started.elapsed();
  account(blk, started, result);
  if (result < 0) io.out(`aio_write failed: ${strerror(result)}`);
  else if (!started.flags.has('q')) tell(io, 'wrote', started, seconds);
}

function conflictOf(flags: Flags, words: number): string | undefined {
  if (flags.has('z') && words !== 2) return '-z supports only a single length parameter';
  if (flags.has('u') && !flags.has('z')) return '-u requires -z to be specified';
  return undefined;
}

function aioWrite(io: CommandEnvironment, argv: readonly string[], blk: BlockBackend): number {
  const say = (line: string): void => io.out(line);
  const { on, pattern } = aioOptions(io, blk, 'write');
  const { flags, operands } = readFlags(io, writeDefinition, argv, 'CfiqP:uz', on);
  const [first, ...others] = operands;
  if (first === undefined || others.length === 0) return refuseUsage(io, writeDefinition);
  const conflict = conflictOf(flags, operands.length);
  if (conflict !== undefined) refuse(say, conflict);
  const offset = readSize(io, first);
  const write = flags.has('z') ? startZeroes : startData;
  write(io, blk, { flags, offset, pattern: pattern() }, others);
  return 0;
}

type Write = Pick<Started, 'flags' | 'offset' | 'pattern'>;

function startZeroes(
  io: CommandEnvironment,
  blk: BlockBackend,
  write: Write,
  [word = '']: readonly string[],
): void {
  const { flags, offset } = write;
  const bytes = readSize(io, word);
  const started = { ...write, bytes, elapsed: startWatch(), cookie: undefined };
  const zeroing = { fua: flags.has('f'), mayUnmap: flags.has('u') };
  const request = endsBehind(blk, offset, bytes)
    ? Promise.resolve(Errno.EIO)
    : outcomeOf(blk.pwriteZeroes(Number(offset), Number(bytes), zeroing));
  start(io, request, (result) => writeDone(io, blk, started, result));
}

function startData(
  io: CommandEnvironment,
  blk: BlockBackend,
  write: Write,
  words: readonly string[],
): void {
  const { flags, offset, pattern } = write;
  const lengths = lengthsOf(io, blk, 'write', words);
  const bytes = lengths.reduce((sum, length) => sum + length, 0n);
  const elapsed = startWatch();
  const started = {
    ...write,
    bytes,
    elapsed,
    cookie: blk.accounting.start('write', Number(bytes)),
  };
  const fua = flags.has('f');
  const request = transfer(io, blk, started, (buffer) =>
    blk.pwritev(Number(offset), pieces(buffer.fill(pattern), lengths), { fua }),
  );
  start(io, request, (result) => writeDone(io, blk, started, result));
}

const writeDefinition: DiskCommand = {
  name: 'aio_write',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  permissions: ['write'],
  parameters: '[-Cfiquz] [-P pattern] off len [len..]',
  summary: 'asynchronously writes a number of bytes',
  help: [
    "Starts a write like that of 'writev' and goes on. What comes of it is told later, aio_flush",
    'waits for that, and it does not make the command fail.',
    ' -P byte  other bytes than 0xcd',
    ' -z       zeroes, as a request of their own kind; with one len',
    ' -u       which may deallocate (with -z)',
    ' -f       durable when it is done (FUA)',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
    ' -i       counts an invalid write instead of writing',
  ],
  run: aioWrite,
};

export const aioWriteCommand = diskCommand(writeDefinition);
