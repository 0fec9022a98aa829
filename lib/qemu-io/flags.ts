import type { Command, CommandEnvironment, DiskCommand } from './command.js';
import { usageLine } from './command.js';
import { Getopt } from './getopt.js';
import { refuse } from './outcome.js';
import { parsePattern } from './pattern-buffer.js';

/** Options by letter; those without an argument have ''. The last of several counts. */
export type Flags = ReadonlyMap<string, string>;

/** What reading an option does beside remembering it. */
export type OnOption = Readonly<Record<string, (argument: string) => void>>;

export interface ReadFlags {
  readonly flags: Flags;
  readonly operands: readonly string[];
  /** All words, operands last. */
  readonly permuted: readonly string[];
}

export function refuseUsage(io: CommandEnvironment, command: Command | DiskCommand): never {
  return refuse((line) => io.out(line), usageLine(command));
}

/**
 * The options of a command by getopt's `spec`. A wrong one ends the command with its usage; `on`
 * checks arguments in the order in which they stand, before what is behind them is read.
 */
export function readFlags(
  io: CommandEnvironment,
  command: Command | DiskCommand,
  argv: readonly string[],
  spec: string,
  on: OnOption = {},
): ReadFlags {
  const flags = new Map<string, string>();
  const getopt = new Getopt(argv, spec, (line) => io.err(line));
  for (const { letter, argument } of getopt.read()) {
    if (letter === '?') refuseUsage(io, command);
    on[letter]?.(argument);
    flags.set(letter, argument);
  }
  return { flags, operands: getopt.operands, permuted: getopt.permuted };
}

/** The byte that an option gives; ends the command when it is none. */
export function readPattern(io: CommandEnvironment, text: string): number {
  const pattern = parsePattern(text);
  if (pattern === undefined) {
    return refuse((line) => io.out(line), `${text} is not a valid pattern byte`);
  }
  return pattern;
}
