// Programs in a process of their own, for what must be seen from outside: how a process ends.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Ended, endOf } from './ended.js';
import { reportOnly, withoutForeignLeaks } from './leaks.js';

export interface ChildOptions {
  readonly nodeOptions?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What runs node: ['strace', '-f']. */
  readonly wrapper?: readonly string[];
  /** Seconds after which it counts as hung. */
  readonly limit?: number;
  /** It calls process.exit(), so what V8 leaves behind is no leak. */
  readonly exits?: boolean;
}

export type { Ended } from './ended.js';

/** As many at a time as the smallest machine has processors. */
const PARALLEL = 2;
let running = 0;
const waiting: (() => void)[] = [];

async function takeTurn(): Promise<void> {
  if (running >= PARALLEL) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
}

function giveTurn(): void {
  const next = waiting.shift();
  if (next === undefined) running -= 1;
  else next();
}

/** `signal` is 'SIGKILL' when it had to be ended at its limit. */
async function start(path: string, args: readonly string[], options: ChildOptions): Promise<Ended> {
  const { nodeOptions = [], env = {}, wrapper = [], limit = 60, exits = false } = options;
  const [program = process.execPath, ...rest] = [
    ...wrapper,
    process.execPath,
    ...nodeOptions,
    path,
    ...args,
  ];
  const child = spawn(program, rest, {
    env: { ...process.env, ...(exits ? reportOnly() : {}), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limit * 1000,
    killSignal: 'SIGKILL',
  });
  const ended = await endOf(child);
  return exits ? { ...ended, stderr: withoutForeignLeaks(ended.stderr) } : ended;
}

/** Runs the node program test/`name`. */
export async function runChild(
  name: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<Ended> {
  await takeTurn();
  try {
    return await start(join(__dirname, '..', name), args, options);
  } finally {
    giveTurn();
  }
}
