import { constants } from 'node:os';
import type { ProcessHost } from '../../qemu-io/command.js';

const { SIGABRT, SIGUSR1 } = constants.signals;
const LAST_SIGNAL = 64;

/** A signal that ends the process does so before this is over. */
const DELIVERY_MS = 50;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Node starts its debugger at this signal; a listener that goes leaves what the system does. */
function forgetDebugger(): void {
  const listener = (): void => undefined;
  process.on('SIGUSR1', listener);
  process.off('SIGUSR1', listener);
}

async function raise(signal: number): Promise<void> {
  if (signal > LAST_SIGNAL) return;
  if (signal === SIGUSR1) forgetDebugger();
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
