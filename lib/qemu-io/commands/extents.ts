import type { BlockBackend } from '../../block-backend.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, diskCommand } from '../command.js';
import { CommandFailure, readSize } from '../outcome.js';
import { sizeText } from '../report.js';
import { strerror } from '../strerror.js';

const SECTOR = 512n;

interface Extent {
  readonly allocated: boolean;
  readonly bytes: bigint;
}

/** What begins at the offset; 0 bytes at or behind the end. */
async function extentAt(
  io: CommandEnvironment,
  blk: BlockBackend,
  offset: bigint,
  most: bigint,
): Promise<Extent> {
  const left = BigInt(blk.getLengthSync()) - offset;
  if (left <= 0n) return { allocated: false, bytes: 0n };
  const asked = Number(left < most ? left : most);
  const { allocated, bytes } = await io.wait(blk.isAllocated(Number(offset), asked));
  return { allocated, bytes: BigInt(bytes) };
}

/** Says why it failed, in the command's words. */
async function orTell<T>(say: (reason: string) => void, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    say(strerror(error.errno));
    throw new CommandFailure(error.errno);
  }
}

async function runAlloc(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const say = (line: string): void => io.out(line);
  const start = readSize(io, argv[1] ?? '');
  const asked = argv[2] === undefined ? SECTOR : readSize(io, argv[2]);
  const failed = (reason: string): void => say(`is_allocated failed: ${reason}`);
  let done = 0n;
  let sum = 0n;
  while (done < asked) {
    const at = start + done;
    const extent = await orTell(failed, () => extentAt(io, blk, at, asked - done));
    if (extent.bytes === 0n) break;
    if (extent.allocated) sum += extent.bytes;
    done += extent.bytes;
  }
  say(`${sum}/${done} bytes allocated at offset ${sizeText(Number(start))}`);
  return 0;
}

/** The extent and those behind it that are alike. */
async function mergedExtent(
  io: CommandEnvironment,
  blk: BlockBackend,
  offset: bigint,
  most: bigint,
): Promise<Extent> {
  const first = await extentAt(io, blk, offset, most);
  let { bytes } = first;
  while (bytes > 0n && bytes < most) {
    const next = await extentAt(io, blk, offset + bytes, most - bytes);
    if (next.allocated !== first.allocated || next.bytes === 0n) break;
    bytes += next.bytes;
  }
  return { ...first, bytes };
}

async function runMap(
  io: CommandEnvironment,
  _argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const complain = (what: string) => (reason: string) => io.complain(`${what}: ${reason}`);
  const size = await orTell(complain('Failed to query image length'), () => blk.getLength());
  const failed = complain('Failed to get allocation status');
  for (let offset = 0n; offset < BigInt(size); ) {
    const at = offset;
    const extent = await orTell(failed, () => mergedExtent(io, blk, at, BigInt(size) - at));
    if (extent.bytes === 0n) {
      io.complain('Unexpected end of image');
      return Errno.EIO;
    }
    const state = extent.allocated ? '    allocated' : 'not allocated';
    const length = `${sizeText(Number(extent.bytes))} (0x${extent.bytes.toString(16)})`;
    io.out(`${length} bytes ${state} at offset ${sizeText(Number(at))} (0x${at.toString(16)})`);
    offset += extent.bytes;
  }
  return 0;
}

export const alloc = diskCommand({
  name: 'alloc',
  alias: 'a',
  least: 1,
  most: 2,
  parameters: 'offset [count]',
  summary: 'checks if offset is allocated in the file',
  run: runAlloc,
});

export const map = diskCommand({
  name: 'map',
  parameters: '',
  summary: 'prints the allocated areas of a file',
  run: runMap,
});
