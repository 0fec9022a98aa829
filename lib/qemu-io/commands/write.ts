import type { ZeroOptions } from '../../backend/options.js';
import type { BlockBackend } from '../../block-backend.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { type Flags, readFlags, readPattern, refuseUsage } from '../flags.js';
import { CommandFailure, outcomeOf, readSize, refuse } from '../outcome.js';
import { fillFromFile, WRITE_PATTERN } from '../pattern-buffer.js';
import { reportLines } from '../report.js';
import { strerror } from '../strerror.js';
import { startWatch } from '../timing.js';
import { checkSectors, endsBehind, MAX_BYTES, transfer } from '../transfer.js';

interface Wish {
  readonly flags: Flags;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly pattern: number;
  readonly options: ZeroOptions;
}

/** What excludes what, in the order in which qemu-io looks. */
function conflictOf(flags: Flags): string | undefined {
  const has = (letter: string): boolean => flags.has(letter);
  if (has('b') && has('z')) return '-b and -z cannot be specified at the same time';
  if (has('f') && (has('b') || has('c'))) {
    return '-f and -b or -c cannot be specified at the same time';
  }
  if (has('n') && !has('z')) return '-n requires -z to be specified';
  if (has('u') && !has('z')) return '-u requires -z to be specified';
  if (['z', 'P', 's'].filter(has).length > 1) {
    return 'Only one of -z, -P, and -s can be specified at the same time';
  }
  return undefined;
}

function readWish(io: CommandEnvironment, argv: readonly string[]): Wish {
  const say = (line: string): void => io.out(line);
  let pattern = WRITE_PATTERN;
  const { flags, operands } = readFlags(io, definition, argv, 'bcCfnpP:qs:uz', {
    P: (text) => {
      pattern = readPattern(io, text);
    },
  });
  const [first, second] = operands;
  if (operands.length !== 2 || first === undefined || second === undefined) {
    return refuseUsage(io, definition);
  }
  const conflict = conflictOf(flags);
  if (conflict !== undefined) refuse(say, conflict);
  const offset = readSize(io, first);
  const bytes = readSize(io, second);
  if (bytes > MAX_BYTES && !flags.has('n')) {
    refuse(say, `length cannot exceed ${MAX_BYTES} without -n, given ${second}`);
  }
  if (flags.has('b') || flags.has('c')) checkSectors(io, offset, bytes);
  const options = { fua: flags.has('f'), mayUnmap: flags.has('u'), noFallback: flags.has('n') };
  return { flags, offset, bytes, pattern, options };
}

/** Ends the command when the file of -s cannot give anything. */
function fill(io: CommandEnvironment, buffer: Buffer, { flags, pattern }: Wish): void {
  const path = flags.get('s');
  if (path === undefined) {
    buffer.fill(pattern);
    return;
  }
  const say = (line: string): void => io.err(line);
  let filled: number;
  try {
    filled = fillFromFile(buffer, path);
  } catch (error) {
    refuse(say, `${path}: ${strerror((error as NodeJS.ErrnoException).errno ?? Errno.EIO)}`);
  }
  if (filled === 0) refuse(say, `${path}: file is empty`);
}

type Timed = { readonly result: number; readonly seconds: number };

async function timed(request: () => Promise<number>): Promise<Timed> {
  const elapsed = startWatch();
  const result = await outcomeOf(request());
  return { result, seconds: elapsed() };
}

async function writeZeroes(io: CommandEnvironment, wish: Wish, blk: BlockBackend): Promise<Timed> {
  const { offset, bytes, options } = wish;
  if (endsBehind(blk, offset, bytes)) return { result: Errno.EIO, seconds: 0 };
  return timed(() => io.wait(blk.pwriteZeroes(Number(offset), Number(bytes), options)));
}

async function writeData(io: CommandEnvironment, wish: Wish, blk: BlockBackend): Promise<Timed> {
  const { flags, offset, bytes, options } = wish;
  const { fua } = options;
  // What is wrong with the file comes first.
  if (endsBehind(blk, offset, bytes)) fill(io, Buffer.alloc(1), wish);
  let seconds = 0;
  const result = await transfer(io, blk, wish, async (buffer) => {
    fill(io, buffer, wish);
    const request = (): Promise<number> => {
      // No driver of this package keeps the state of a machine.
      if (flags.has('b')) return Promise.resolve(Errno.ENOTSUP);
      return flags.has('c')
        ? blk.pwriteCompressed(Number(offset), buffer)
        : blk.pwrite(Number(offset), buffer, { fua });
    };
    const outcome = await timed(() => io.wait(request()));
    seconds = outcome.seconds;
    return outcome.result;
  });
  return { result, seconds };
}

async function runWrite(io: CommandEnvironment, wish: Wish, blk: BlockBackend): Promise<number> {
  const { flags, offset, bytes } = wish;
  const write = flags.has('z') ? writeZeroes : writeData;
  const { result, seconds } = await write(io, wish, blk);
  if (result < 0) {
    io.out(`write failed: ${strerror(result)}`);
    throw new CommandFailure(result);
  }
  if (flags.has('q')) return 0;
  const report = { operation: 'wrote', offset, bytes, seconds, terse: flags.has('C') };
  for (const line of reportLines(report)) io.out(line);
  return 0;
}

const definition: DiskCommand = {
  name: 'write',
  alias: 'w',
  least: 2,
  most: Number.POSITIVE_INFINITY,
  permissions: ['write'],
  parameters: '[-bcCfnquz] [-P pattern | -s source_file] off len',
  summary: 'writes a number of bytes at a specified offset',
  help: [
    'Writes len bytes of 0xcd at the offset off and says how long it took.',
    ' -P byte  other bytes',
    ' -s file  the bytes of a file, over and over',
    ' -z       zeroes, as a request of their own kind',
    ' -u       which may deallocate (with -z)',
    ' -n       which fails rather than being slow (with -z)',
    ' -f       durable when it is done (FUA)',
    ' -c       compressed',
    ' -q       says nothing unless it fails',
    ' -C       reports in one line, for machines',
    ' -b       writes the state of a machine instead of the disk',
    ' -p       does nothing',
  ],
  run: (io, argv, blk) => runWrite(io, readWish(io, argv), blk),
};

export const write = diskCommand(definition);
