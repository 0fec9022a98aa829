import { Errno } from '../../errors/errno.js';
import type { Command, CommandEnvironment } from '../command.js';
import { readFlags, refuseUsage } from '../flags.js';
import { applyMode, applySwitch, usualModes } from '../modes.js';
import { openDisk } from '../open-disk.js';
import { type OptionList, parseOptionList } from '../option-list.js';
import { refuse } from '../outcome.js';

async function runOpen(io: CommandEnvironment, argv: readonly string[]): Promise<number> {
  const modes = usualModes();
  let given: OptionList = new Map();
  const warn = (lines: readonly string[]): void => io.warn(lines);
  const mode = (letter: string) => (text: string) => {
    const problem = applyMode(modes, letter, text);
    if (problem !== undefined) refuse((line) => io.complain(line), problem);
  };
  const flip = (letter: string) => () => {
    applySwitch(modes, letter);
  };
  const { operands } = readFlags(io, open, argv, 'snCro:ki:t:d:U', {
    ...Object.fromEntries(['s', 'n', 'C', 'r', 'k', 'U'].map((letter) => [letter, flip(letter)])),
    ...Object.fromEntries(['t', 'd', 'i'].map((letter) => [letter, mode(letter)])),
    o: (text) => {
      if (io.imageOptions) {
        refuse((line) => io.out(line), "--image-opts and 'open -o' are mutually exclusive");
      }
      given = new Map([...given, ...parseOptionList(text, warn)]);
    },
  });
  const [name] = operands;
  if (operands.length > 1) refuseUsage(io, open);
  if (name === undefined || !io.imageOptions) {
    return (await openDisk(io, name, given, modes)) ? 0 : Errno.EINVAL;
  }
  given = new Map([...given, ...parseOptionList(name, warn)]);
  return (await openDisk(io, undefined, given, modes)) ? 0 : Errno.EINVAL;
}

export const open: Command = {
  name: 'open',
  alias: 'o',
  least: 1,
  most: Number.POSITIVE_INFINITY,
  needsNoDisk: true,
  parameters: '[-rsCnkU] [-t cache] [-d discard] [-o options] [path]',
  summary: 'open the file specified by path',
  help: [
    'Opens a disk, to be written through the page cache unless an option says otherwise.',
    ' -r          to be read only',
    ' -n          past the page cache, as -t none',
    ' -t cache    none, directsync, writeback, writethrough or unsafe',
    ' -d discard  unmap or ignore',
    ' -i aio      threads, native or io_uring',
    ' -k          as -i native',
    ' -C          reads keep what they had to read from a backing file',
    ' -U          while others do with it what they like',
    ' -s          with writes going to a temporary file',
    " -o options  of the driver ('-o driver=raw')",
  ],
  run: runOpen,
};

export const close: Command = {
  name: 'close',
  alias: 'c',
  summary: 'close the current open file',
  async run(io) {
    if (io.blk !== undefined) await io.wait(io.blk.close());
    await io.requests.finished();
    io.blk = undefined;
    return 0;
  },
};

export const quit: Command = {
  name: 'quit',
  alias: 'q',
  least: 0,
  most: Number.POSITIVE_INFINITY,
  needsNoDisk: true,
  summary: 'exit the program',
  run(io) {
    io.hasQuit = true;
    return 0;
  },
};
