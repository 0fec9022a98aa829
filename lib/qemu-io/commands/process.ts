import { Errno } from '../../errors/errno.js';
import type { Command } from '../command.js';
import { parseInteger } from '../numbers.js';
import { readSize, refuse } from '../outcome.js';

/** The largest number that qemu-io takes for a signal's. */
const MAX_SIGNAL = 65n;
/** Longest sleep of one timer, in ms. */
const MAX_TIMER = 2n ** 31n - 1n;

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
