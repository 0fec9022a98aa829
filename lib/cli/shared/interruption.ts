import { constants } from 'node:os';
import { CliError, ExitCode } from './cli-error.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Turns the first signal to end into an aborted AbortSignal, so that files can be removed; the
 * second one ends the process at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listen = (name: NodeJS.Signals): void => {
    if (this.requested) process.exit(128 + constants.signals[name]);
    process.stderr.write(`\nblk: ${name}, ending\n`);
    this.#controller.abort();
  };

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listen);
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  check(): void {
    if (this.requested) throw new CliError('interrupted', ExitCode.interrupted);
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listen);
  }
}
