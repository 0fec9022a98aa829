// What the control side of an export may do at any time, over and over, while clients use it.
import { setTimeout } from 'node:timers/promises';
import { AioContext, blockResize, drainedAll, type NbdExport } from '../../lib/index.js';
import { image } from './images.js';
import { kernelLocks } from './locks.js';
import type { Combination } from './matrix.js';
import { type Served, served } from './nbd.js';
import { codeOf } from './requests.js';

/** How often each was done. */
export interface ControlRounds {
  sections: number;
  sectionsOfAll: number;
  limits: number;
  refusals: number;
  moves: number;
}

/** Milliseconds between two actions, for clients that share the processor. */
const PAUSE_MS = 1;
/** Milliseconds for which the limits hold. */
const LIMITED_MS = 4;

/** One drained section, and nothing is in flight in it. */
async function section(item: NbdExport, rounds: ControlRounds): Promise<void> {
  const { backend } = item;
  const all = rounds.sections > rounds.sectionsOfAll;
  const drained = all ? await drainedAll() : await backend.drained();
  try {
    expect(backend.inFlight).toBe(0);
  } finally {
    drained.end();
  }
  if (all) rounds.sectionsOfAll += 1;
  else rounds.sections += 1;
}

async function limits({ id, backend }: NbdExport, rounds: ControlRounds): Promise<void> {
  backend.ioLimitsEnable(`limits-of-${id}`);
  backend.setIoLimits({ 'iops-total': 400, 'bps-total': 8 << 20 });
  await setTimeout(LIMITED_MS);
  await backend.ioLimitsDisable();
  rounds.limits += 1;
}

async function resize(item: NbdExport, rounds: ControlRounds): Promise<void> {
  const { 'node-name': node, size } = item.info();
  expect(await codeOf(blockResize({ 'node-name': node, size: size * 2 }))).toBe('EPERM');
  rounds.refusals += 1;
}

/**
 * While `body` runs: drained sections of the export and of everything, limits on and off, a resize
 * that is refused, and a move to the next of the contexts, over and over. Everything was done, and the
 * graph is in the main context, when it resolves.
 */
export async function underControl(
  item: NbdExport,
  contexts: readonly AioContext[],
  body: () => Promise<void>,
): Promise<void> {
  const rounds: ControlRounds = {
    sections: 0,
    sectionsOfAll: 0,
    limits: 0,
    refusals: 0,
    moves: 0,
  };
  let stopped = false;
  const move = async (): Promise<void> => {
    rounds.moves += 1;
    await item.backend.setContext(contexts[rounds.moves % contexts.length] as AioContext);
  };
  const loop = async (): Promise<void> => {
    while (!stopped) {
      for (const action of [section, limits, resize, move]) {
        await action(item, rounds);
        await setTimeout(PAUSE_MS);
      }
    }
  };
  const running = loop();
  running.catch(() => {});
  try {
    await body();
  } finally {
    stopped = true;
    await running;
    await item.backend.setContext(AioContext.main);
  }
  for (const [what, count] of Object.entries(rounds)) {
    if (count === 0) throw new Error(`the control side did no ${what}`);
  }
}

export interface Movable extends Served {
  readonly filename: string;
  /** On one engine, in both homes; the export is in the first. */
  readonly contexts: readonly [AioContext, AioContext];
}

/** Runs `body` with an export of a new image that can be moved; then nothing of it is left. */
export async function servedMovably(
  { home, aio }: Combination,
  bytes: number,
  body: (movable: Movable) => Promise<void>,
): Promise<void> {
  const first = new AioContext({ home, aio });
  const second = new AioContext({ home: home === 'node' ? 'iothread' : 'node', aio });
  const filename = image(bytes);
  await served(filename, (all) => body({ ...all, filename, contexts: [first, second] }), {
    iothread: first,
  });
  expect(kernelLocks(filename)).toEqual([]);
  await first.close();
  await second.close();
}
