import { Errno } from '../../errors/errno.js';
import { type Command, type CommandEnvironment, usageLine } from '../command.js';
import { readFlags, refuseUsage } from '../flags.js';
import { applyMode, applySwitch, usualModes } from '../modes.js';
import { parseInteger } from '../numbers.js';
import { openDisk } from '../open-disk.js';
import { type OptionList, parseOptionList } from '../option-list.js';
import { readSize, refuse } from '../outcome.js';

/** The largest number that qemu-io takes for a signal's. */
const MAX_SIGNAL = 65n;
/** Longest sleep of one timer, in ms. */
const MAX_TIMER = 2n ** 31n - 1n;

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
  const switches = Object.fromEntries([...'snCrkU'].map((letter) => [letter, flip(letter)]));
  const choices = Object.fromEntries([...'tdi'].map((letter) => [letter, mode(letter)]));
  const { operands } = readFlags(io, open, argv, 'snCro:ki:t:d:U', {
    ...switches,
    ...choices,
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

export const sleep: Command = {
  name: 'sleep',
  least: 1,
  needsNoDisk: true,
  summary: 'waits for the given value in milliseconds',
  async run(io, [, text = '']) {
    const time = parseInteger(text);
    if (time === undefined || time < 0n) {
      return refuse((line) => io.out(line), `${text} is not a valid number`);
    }
    for (let left = time; left >= 0n; left -= MAX_TIMER) {
      const part = Number(left < MAX_TIMER ? left : MAX_TIMER);
      await new Promise((resolve) => setTimeout(resolve, part));
    }
    return 0;
  },
};

export const abort: Command = {
  name: 'abort',
  needsNoDisk: true,
  summary: 'simulate a program crash using abort(3)',
  run(io) {
    if (io.host !== undefined) return io.host.abort();
    io.complain('abort is refused here: it would end a process that does more than this');
    return Errno.EPERM;
  },
};

export const sigraise: Command = {
  name: 'sigraise',
  least: 1,
  needsNoDisk: true,
  parameters: 'signal',
  summary: 'raises a signal',
  help: ["Sends a signal to this process, by its number: 'sigraise 15' ends it as SIGTERM does."],
  async run(io, [, text = '']) {
    const signal = readSize(io, text);
    if (signal > MAX_SIGNAL) {
      const line = `signal argument '${text}' is too large to be a valid signal`;
      refuse((said) => io.out(said), line);
    }
    if (io.host === undefined) {
      io.complain('sigraise is refused here: it would reach a process that does more than this');
      return Errno.EPERM;
    }
    await io.host.raise(Number(signal));
    return 0;
  },
};

/** How a command is used; by help also under its other name. */
function helpLine(called: string, command: Command): string {
  const { parameters } = command;
  return parameters === undefined
    ? `${called} -- ${command.summary}`
    : usageLine({ ...command, name: called });
}

function find(commands: readonly Command[], called: string): Command | undefined {
  return commands.find(({ name, alias }) => name === called || alias === called);
}

export const help: Command = {
  name: 'help',
  alias: '?',
  least: 0,
  most: 1,
  needsNoDisk: true,
  parameters: '[command]',
  summary: 'help for one or all commands',
  run(io, [, called]) {
    if (called === undefined) {
      for (const command of io.commands) io.out(helpLine(command.name, command));
      io.out('');
      io.out("Use 'help commandname' for extended help.");
      return 0;
    }
    const command = find(io.commands, called);
    if (command === undefined) {
      return refuse((line) => io.out(line), `command ${called} not found`);
    }
    io.out(helpLine(called, command));
    for (const line of command.help ?? []) io.out(line);
    return 0;
  },
};
