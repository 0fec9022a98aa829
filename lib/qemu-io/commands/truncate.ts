import type { PreallocationMode } from '../../backend/options.js';
import type { BlockBackend } from '../../block-backend.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { readFlags } from '../flags.js';
import { readSize, refuse } from '../outcome.js';
import { qemuText } from '../qemu-text.js';

const MODES: readonly PreallocationMode[] = ['off', 'metadata', 'falloc', 'full'];

/** What a medium can be resized to at most, by QEMU's rules. */
const MAX_LENGTH = 2n ** 63n - 2n ** 30n;

function findMode(text: string): PreallocationMode | undefined {
  return MODES.find((mode) => mode === text);
}

function refusalText(error: BlockError, shrinks: boolean, mode: PreallocationMode): string {
  if (!error.message.includes('preallocation mode')) return qemuText(error);
  if (shrinks) return 'Cannot use preallocation for shrinking files';
  return `Unsupported preallocation mode: ${mode}`;
}

async function resize(
  io: CommandEnvironment,
  blk: BlockBackend,
  size: bigint,
  preallocation: PreallocationMode,
): Promise<number> {
  if (size > MAX_LENGTH) {
    io.complain(`offset(${size}) exceeds maximum(${MAX_LENGTH})`);
    return Errno.EINVAL;
  }
  const shrinks = size < BigInt(blk.getLengthSync());
  try {
    await io.wait(blk.truncate(BigInt(Number(size)), { exact: false, preallocation }));
    return 0;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    io.complain(refusalText(error, shrinks, preallocation));
    return error.errno;
  }
}

function runTruncate(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  let mode: PreallocationMode = 'off';
  const { operands, permuted } = readFlags(io, definition, argv, 'm:', {
    m: (text) => {
      const found = findMode(text);
      if (found === undefined) {
        refuse((line) => io.complain(line), `Invalid preallocation mode '${text}'`);
      }
      mode = found;
    },
  });
  // qemu-io shows the first word, whatever it is.
  const size = readSize(io, operands[0] ?? '', permuted[1]);
  return resize(io, blk, size, mode);
}

const definition: DiskCommand = {
  name: 'truncate',
  alias: 't',
  least: 1,
  most: 3,
  permissions: ['write', 'resize'],
  parameters: '[-m prealloc_mode] off',
  summary: 'truncates the current file at the given offset',
  run: runTruncate,
};

export const truncate = diskCommand(definition);
