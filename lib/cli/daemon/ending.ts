// The end of a program that serves.

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Resolves with the first signal to end or call of `quit`; a second signal ends the process. */
export class Ending {
  readonly reached: Promise<void>;
  readonly quit: () => void;

  constructor() {
    let quit = (): void => {};
    this.reached = new Promise((resolve) => {
      quit = resolve;
    });
    let asked = false;
    this.quit = quit;
    for (const name of SIGNALS) {
      process.on(name, () => {
        if (asked) process.exit(128 + constants.signals[name]);
        asked = true;
        quit();
      });
    }
  }
}
