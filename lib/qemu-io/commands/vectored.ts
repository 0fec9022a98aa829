import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { type Flags, readFlags, readPattern, refuseUsage } from '../flags.js';
import { outcomeOf, readSize } from '../outcome.js';
import { dumpLines, isFilledWith, READ_PATTERN, WRITE_PATTERN } from '../pattern-buffer.js';
import { reportLines } from '../report.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { pieces, readLengths, transfer } from '../transfer.js';

const NO_DATA = Buffer.alloc(0);

interface Wish {
  readonly flags: Flags;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly lengths: readonly bigint[];
  readonly pattern: number;
}

function readWish(
  io: CommandEnvironment,
  command: DiskCommand,
  argv: readonly string[],
  spec: string,
  usual: number,
): Wish {
  let pattern = usual;
  const { flags, operands } = readFlags(io, command, argv, spec, {
    P: (text) => {
      pattern = readPattern(io, text);
    },
  });
  const [first, ...others] = operands;
  if (first === undefined || others.length === 0) return refuseUsage(io, command);
  const offset = readSize(io, first);
  const lengths = readLengths(io, others);
  const bytes = lengths.reduce((sum, length) => sum + length, 0n);
  return { flags, offset, bytes, lengths, pattern };
}

interface Done {
  readonly result: number;
  readonly seconds: number;
  readonly data: Buffer;
}

async function run(
  io: CommandEnvironment,
  blk: BlockBackend,
  wish: Wish,
  fill: number,
  request: (buffers: Buffer[]) => Promise<number>,
): Promise<Done> {
  let seconds = 0;
  let data: Buffer = NO_DATA;
  const result = await transfer(io, blk, wish, async (buffer) => {
    data = buffer.fill(fill);
    const elapsed = startWatch();
    const outcome = await outcomeOf(io.wait(request(pieces(buffer, wish.lengths))));
    seconds = elapsed();
    return outcome;
  });
  return { result, seconds, data };
}

function report(io: CommandEnvironment, operation: string, wish: Wish, { seconds }: Done): void {
  const { offset, bytes, flags } = wish;
  for (const line of reportLines({ operation, offset, bytes, seconds, terse: flags.has('C') })) {
    io.out(line);
  }
}

async function runReadv(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const wish = readWish(io, readvDefinition, argv, 'CP:qv', 0);
  const { flags, offset, bytes, pattern } = wish;
  const read = (buffers: Buffer[]) => blk.preadv(Number(offset), buffers);
  const done = await run(io, blk, wish, READ_PATTERN, read);
  if (done.result < 0) {
    io.out(`readv failed: ${strerror(done.result)}`);
    return done.result;
  }
  const matches = !flags.has('P') || isFilledWith(done.data, pattern);
  if (!matches) io.out(`Pattern verification failed at offset ${offset}, ${bytes} bytes`);
  if (!flags.has('q')) {
    if (flags.has('v')) for (const line of dumpLines(done.data, offset)) io.out(line);
    report(io, 'read', wish, done);
  }
  return matches ? 0 : Errno.EINVAL;
}

async function runWritev(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const wish = readWish(io, writevDefinition, argv, 'CfqP:', WRITE_PATTERN);
  const { flags, offset, pattern } = wish;
  const fua = flags.has('f');
  const write = (buffers: Buffer[]) => blk.pwritev(Number(offset), buffers, { fua });
  const done = await run(io, blk, wish, pattern, write);
  if (done.result < 0) {
    io.out(`writev failed: ${strerror(done.result)}`);
    return done.result;
  }
  if (!flags.has('q')) report(io, 'wrote', wish, done);
  return 0;
}

const readvDefinition: DiskCommand = {
  name: 'readv',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  parameters: '[-Cqv] [-P pattern] off len [len..]',
  summary: 'reads a number of bytes at a specified offset',
  help: [
    'Reads into several buffers, of len bytes each, in one request at the offset off.',
    ' -P byte  every byte must be this one, else the command fails',
    ' -v       shows the data',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
  ],
  run: runReadv,
};

const writevDefinition: DiskCommand = {
  name: 'writev',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  permissions: ['write'],
  parameters: '[-Cfq] [-P pattern] off len [len..]',
  summary: 'writes a number of bytes at a specified offset',
  help: [
    'Writes several buffers, of len bytes of 0xcd each, in one request at the offset off.',
    ' -P byte  other bytes',
    ' -f       durable when it is done (FUA)',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
  ],
  run: runWritev,
};

export const readv = diskCommand(readvDefinition);
export const writev = diskCommand(writevDefinition);
