// What the command line of `blk io` says. It is qemu-io's, as its users' scripts call it.

import { Getopt, type LongOption } from '../../qemu-io/getopt.js';
import { applyMode, applySwitch, type OpenModes, usualModes } from '../../qemu-io/modes.js';

export const PROGRAM = 'qemu-io';

const LETTERS = 'hVc:d:f:rsnCmki:t:T:U';
const OBJECT = 'object';
const IMAGE_OPTIONS = 'image-opts';

const option = (name: string, letter: string): LongOption => ({
  name,
  letter,
  hasArgument: LETTERS.includes(`${letter}:`) || letter === OBJECT,
});

/** In qemu-io's order, in which complaints name them. */
const LONG: readonly LongOption[] = [
  option('help', 'h'),
  option('version', 'V'),
  option('cmd', 'c'),
  option('format', 'f'),
  option('read-only', 'r'),
  option('snapshot', 's'),
  option('nocache', 'n'),
  option('copy-on-read', 'C'),
  option('misalign', 'm'),
  option('native-aio', 'k'),
  option('aio', 'i'),
  option('discard', 'd'),
  option('cache', 't'),
  option('trace', 'T'),
  option(OBJECT, OBJECT),
  option(IMAGE_OPTIONS, IMAGE_OPTIONS),
  option('force-share', 'U'),
];

export interface IoArguments {
  readonly modes: OpenModes;
  readonly commands: readonly string[];
  readonly format: string | undefined;
  readonly imageOptions: boolean;
  readonly misalign: boolean;
  /** The disk, if any. */
  readonly image: string | undefined;
}

/** What is to be done: run, or say something and end. */
export type Parsed =
  | { readonly kind: 'run'; readonly arguments: IoArguments }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** Show how it is used, and fail. */
  | { readonly kind: 'usage' }
  | { readonly kind: 'error'; readonly text: string };

interface Collected {
  readonly modes: OpenModes;
  readonly commands: string[];
  format: string | undefined;
  imageOptions: boolean;
  misalign: boolean;
}

/** Takes one option in; gives the end where it is one. */
function take(collected: Collected, letter: string, argument: string): Parsed | undefined {
  const { modes } = collected;
  if (applySwitch(modes, letter)) return undefined;
  const problem = applyMode(modes, letter, argument);
  if (problem !== undefined) return { kind: 'error', text: problem };
  if (letter === 'c') collected.commands.push(argument);
  else if (letter === 'f') collected.format = argument;
  else if (letter === 'm') collected.misalign = true;
  else if (letter === IMAGE_OPTIONS) collected.imageOptions = true;
  else if (letter === 'h') return { kind: 'help' };
  else if (letter === 'V') return { kind: 'version' };
  else if (letter === '?') return { kind: 'usage' };
  else if (letter === OBJECT) return { kind: 'error', text: 'there are no objects to define here' };
  // -T is taken and does nothing: there are no trace events.
  return undefined;
}

/** @param complain hears of wrong options. */
export function parseArguments(args: readonly string[], complain: (line: string) => void): Parsed {
  const getopt = new Getopt([PROGRAM, ...args], LETTERS, complain, LONG);
  const collected: Collected = {
    modes: usualModes(),
    commands: [],
    format: undefined,
    imageOptions: false,
    misalign: false,
  };
  for (const { letter, argument } of getopt.read()) {
    const end = take(collected, letter, argument);
    if (end !== undefined) return end;
  }
  const { operands } = getopt;
  if (operands.length > 1) return { kind: 'usage' };
  if (collected.format !== undefined && collected.imageOptions) {
    return { kind: 'error', text: '--image-opts and -f are mutually exclusive' };
  }
  return { kind: 'run', arguments: { ...collected, image: operands[0] } };
}
