import { Presets, SingleBar } from 'cli-progress';
import { seconds } from './format.js';

const PLAIN_INTERVAL_MS = 2000;
const BAR_INTERVAL_MS = 100;

export interface ProgressOptions {
  /** What is being done: 'write'. */
  readonly label: string;
  /** How much is done, from 0 to 1. */
  readonly fraction: () => number;
  /** A few words on it. */
  readonly detail?: () => string;
}

export interface Progress {
  /** Shows the end; `detail` replaces the last one. */
  end(): void;
}

const percentOf = (fraction: number): number => Math.floor(Math.min(1, fraction) * 100);

function startBar({ label, fraction, detail }: ProgressOptions): Progress {
  const bar = new SingleBar(
    {
      stream: process.stderr,
      format: `${label.padEnd(8)} {bar} {percentage}% {detail}`,
      barsize: 30,
      clearOnComplete: true,
      // It would swallow the signal.
      gracefulExit: false,
      // Left alone, so that nothing has to be restored when the process is killed.
      linewrap: null,
      hideCursor: null,
    },
    Presets.shades_classic,
  );
  const payload = (): object => ({ detail: detail?.() ?? '' });
  bar.start(100, 0, payload());
  const timer = setInterval(() => bar.update(percentOf(fraction()), payload()), BAR_INTERVAL_MS);
  return {
    end() {
      clearInterval(timer);
      bar.stop();
    },
  };
}

function startLines({ label, fraction, detail }: ProgressOptions): Progress {
  const start = performance.now();
  const print = (text: string): void => {
    process.stderr.write(`${label}: ${text}${detail === undefined ? '' : `, ${detail()}`}\n`);
  };
  const timer = setInterval(() => print(`${percentOf(fraction())}%`), PLAIN_INTERVAL_MS);
  return {
    end() {
      clearInterval(timer);
      print(seconds((performance.now() - start) / 1000));
    },
  };
}

/** On standard error: a bar on a terminal, else a line now and then. It samples, so it costs little. */
export function startProgress(options: ProgressOptions): Progress {
  return process.stderr.isTTY ? startBar(options) : startLines(options);
}
