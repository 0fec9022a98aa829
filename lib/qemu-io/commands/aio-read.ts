import type { BlockBackend } from '../../block-backend.js';
import { account, aioOptions, lengthsOf, type Started, start, tell } from '../aio-command.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { readFlags, refuseUsage } from '../flags.js';
import { readSize } from '../outcome.js';
import { dumpLines, isFilledWith, READ_PATTERN } from '../pattern-buffer.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { pieces, transfer } from '../transfer.js';

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

function aioRead(io: CommandEnvironment, argv: readonly string[], blk: BlockBackend): number {
  const { on, pattern } = aioOptions(io, blk, 'read');
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

export const aioReadCommand = diskCommand(readDefinition);
