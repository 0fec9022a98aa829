// Requests that are started and told about when they are done.

import type { AccountingCookie } from '../../accounting/accounting.js';
import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { graph } from '../../graph/graph.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { type Flags, type OnOption, readFlags, readPattern, refuseUsage } from '../flags.js';
import { CommandFailure, outcomeOf, readSize, refuse } from '../outcome.js';
import { dumpLines, isFilledWith, READ_PATTERN, WRITE_PATTERN } from '../pattern-buffer.js';
import { reportLines } from '../report.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { endsBehind, pieces, readLengths, transfer } from '../transfer.js';

type Kind = 'read' | 'write';

interface Started {
  readonly flags: Flags;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly pattern: number;
  readonly elapsed: () => number;
  /** undefined for zero-writes, which QEMU does not account here. */
  readonly cookie: AccountingCookie | undefined;
}

/** -i ends the command on the spot, so what is behind it is never looked at. */
class Injected extends CommandFailure {
  constructor() {
    super(0);
  }
}

function inject(io: CommandEnvironment, blk: BlockBackend, kind: Kind): never {
  io.out(`injecting invalid ${kind} request`);
  blk.accounting.invalid(kind);
  throw new Injected();
}

function options(
  io: CommandEnvironment,
  blk: BlockBackend,
  kind: Kind,
): { on: OnOption; pattern: () => number } {
  let pattern = kind === 'read' ? 0 : WRITE_PATTERN;
  const on = {
    P: (text: string) => {
      pattern = readPattern(io, text);
    },
    i: () => inject(io, blk, kind),
  };
  return { on, pattern: () => pattern };
}

/** Lengths that make no request count as an invalid one. */
function lengthsOf(
  io: CommandEnvironment,
  blk: BlockBackend,
  kind: Kind,
  words: readonly string[],
): bigint[] {
  try {
    return readLengths(io, words);
  } catch (error) {
    blk.accounting.invalid(kind);
    throw error;
  }
}

function tell(io: CommandEnvironment, operation: string, started: Started, seconds: number): void {
  const { flags, offset, bytes } = started;
  for (const line of reportLines({ operation, offset, bytes, seconds, terse: flags.has('C') })) {
    io.out(line);
  }
}

function account(blk: BlockBackend, { cookie }: Started, result: number): void {
  if (cookie === undefined || blk.isClosed) return;
  if (result < 0) blk.accounting.failed(cookie);
  else blk.accounting.done(cookie);
}

function start(
  io: CommandEnvironment,
  request: Promise<number>,
  done: (result: number) => void,
): void {
  io.requests.start(request, done, (error) => io.complain(String(error)));
}

function readDone(
  io: CommandEnvironment,
  blk: BlockBackend,
  started: Started,
  data: Buffer,
  result: number,
): void {
  const { flags, offset, bytes, pattern, elapsed } = started;
  const seconds = elapsed();
  account(blk, started, result);
  if (result < 0) {
    io.out(`readv failed: ${strerror(result)}`);
    return;
  }
  if (flags.has('P') && !isFilledWith(data, pattern)) {
    io.out(`Pattern verification failed at offset ${offset}, ${bytes} bytes`);
  }
  if (flags.has('q')) return;
  if (flags.has('v')) for (const line of dumpLines(data, offset)) io.out(line);
  tell(io, 'read', started, seconds);
}

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

function aioRead(io: CommandEnvironment, argv: readonly string[], blk: BlockBackend): number {
  const { on, pattern } = options(io, blk, 'read');
  const { flags, operands } = readFlags(io, readDefinition, argv, 'CP:iqv', on);
  const [first, ...others] = operands;
  if (first === undefined || others.length === 0) return refuseUsage(io, readDefinition);
  const offset = readSize(io, first);
  const lengths = lengthsOf(io, blk, 'read', others);
  const bytes = lengths.reduce((sum, length) => sum + length, 0n);
  const started: Started = {
    flags,
    offset,
    bytes,
    pattern: pattern(),
    elapsed: startWatch(),
    cookie: blk.accounting.start('read', Number(bytes)),
  };
  let data: Buffer = Buffer.alloc(0);
  const request = transfer(io, blk, started, (buffer) => {
    data = buffer.fill(READ_PATTERN);
    return blk.preadv(Number(offset), pieces(buffer, lengths));
  });
  start(io, request, (result) => readDone(io, blk, started, data, result));
  return 0;
}

function conflictOf(flags: Flags, words: number): string | undefined {
  if (flags.has('z') && words !== 2) return '-z supports only a single length parameter';
  if (flags.has('u') && !flags.has('z')) return '-u requires -z to be specified';
  return undefined;
}

function aioWrite(io: CommandEnvironment, argv: readonly string[], blk: BlockBackend): number {
  const say = (line: string): void => io.out(line);
  const { on, pattern } = options(io, blk, 'write');
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

const readDefinition: DiskCommand = {
  name: 'aio_read',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  parameters: '[-Ciqv] [-P pattern] off len [len..]',
  summary: 'asynchronously reads a number of bytes',
  help: [
    "Starts a read like that of 'readv' and goes on. What comes of it is told later, aio_flush",
    'waits for that, and it does not make the command fail.',
    ' -P byte  every byte must be this one',
    ' -v       shows the data',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
    ' -i       counts an invalid read instead of reading',
  ],
  run: aioRead,
};

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

export const aioReadCommand = diskCommand(readDefinition);
export const aioWriteCommand = diskCommand(writeDefinition);

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
