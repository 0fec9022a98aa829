import { constants } from 'node:os';
import type { ProcessHost } from '../../qemu-io/command.js';

const { SIGABRT, SIGALRM, SIGBUS, SIGIO, SIGUSR1 } = constants.signals;
const LAST_SIGNAL = 64;
/** QEMU keeps them to itself, and does nothing with them. */
const HELD_BACK: readonly number[] = [SIGALRM, SIGBUS, SIGIO, SIGUSR1];

/** A signal that ends the process does so before this is over. */
const DELIVERY_MS = 50;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function raise(signal: number): Promise<void> {
  if (signal > LAST_SIGNAL || HELD_BACK.includes(signal)) return;
  process.kill(process.pid, signal);
  if (signal !== 0) await pause(DELIVERY_MS);
}

/** This process, which runs nothing but the commands. */
export const ownProcess: ProcessHost = {
  raise,
  async abort() {
    // Not process.abort(), which would write a stack trace first.
    for (;;) await raise(SIGABRT);
  },
};
