import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { CommandEnvironment } from './command.js';
import { parseSize, sizeError } from './numbers.js';

/** A reason that has been told; `errno` is what the command returns. */
export class CommandFailure extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** What came of a request: its value, or a negative errno. */
export async function outcomeOf(request: Promise<number>): Promise<number> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof BlockError) return error.errno;
    throw error;
  }
}

/** Ends the command after saying why. */
export function refuse(
  say: (line: string) => void,
  line: string,
  errno: number = Errno.EINVAL,
): never {
  say(line);
  throw new CommandFailure(errno);
}

/** A size or an offset; ends the command after saying what is wrong with it. */
export function readSize(io: CommandEnvironment, text: string, shown = text): bigint {
  const value = parseSize(text, (warning) => io.warn([warning]));
  if (value < 0n) refuse((line) => io.out(line), sizeError(value, shown), Number(value));
  return value;
}
