// Whatever was acknowledged before a completed flush, or with FUA, is there after a crash.
//
//   BLOCK_BACKEND_TEST_SEED     repeats a run
//   BLOCK_BACKEND_TEST_STEPS    requests of a run; default and least 2,000
//   BLOCK_BACKEND_TEST_SUBSETS  of each flush epoch; default and least 20
//
// `npm run test:crash` (scripts/crash.mjs) sets them.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWriteLog } from '../../lib/index.js';
import { type Ended, runChild } from '../support/child.js';
import { type Combination, combinations, scratchFolder } from '../support/matrix.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { describeWith } from '../support/tools.js';
import { type CrashEvent, CrashModel, initialImage, type Logged, SECTOR } from './model.js';
import { CrashStates } from './states.js';
import { violations } from './trace.js';

const folder = scratchFolder();
const seed = chooseSeed();
const number = (name: string, least: number): number =>
  Math.max(least, Number(process.env[name] ?? least));
const STEPS = number('BLOCK_BACKEND_TEST_STEPS', 2000);
const SUBSETS = number('BLOCK_BACKEND_TEST_SUBSETS', 20);
const SECTORS = 512;
const LANES = 8;
const LIMIT = 60_000 + STEPS * (40 + SUBSETS);

type Drop = 'flush:log' | 'flush:file' | 'fua:request' | 'fua:file';

interface Settings extends Combination {
  readonly steps?: number;
  readonly lanes?: number;
  readonly drop?: Drop;
  readonly strace?: boolean;
  readonly kill?: boolean;
}

interface Ran {
  readonly folder: string;
  readonly image: string;
  readonly log: string;
  readonly marks: string;
  readonly trace: string[];
  readonly events: CrashEvent[];
  readonly fdatasyncs: number;
  readonly ringWrites: boolean;
}

const CALLS = 'pwrite64,pwritev,pwritev2,fdatasync,fsync,fallocate,write';

/** A sanitizer belongs into the program and not into strace; leaks cannot be looked for. */
function underStrace(output: string, files: readonly string[]) {
  const { LD_PRELOAD, ASAN_OPTIONS = '' } = process.env;
  const paths = files.flatMap((file) => ['-P', file]);
  const preload = LD_PRELOAD === undefined ? [] : ['-E', `LD_PRELOAD=${LD_PRELOAD}`];
  const leaks = ['-E', `ASAN_OPTIONS=${ASAN_OPTIONS}:detect_leaks=0`];
  const wrapper = ['strace', '-f', '-y', '-qq', '-s', '16', '-o', output, '-e', `trace=${CALLS}`];
  return { wrapper: [...wrapper, ...paths, ...preload, ...leaks], env: { LD_PRELOAD: '' } };
}

async function run(settings: Settings): Promise<Ran> {
  const here = mkdtempSync(join(folder, 'run-'));
  const [image = '', log = '', events = '', marks = '', output = ''] = [
    ...['image', 'log', 'events', 'marks', 'trace'],
  ].map((name) => join(here, name));
  writeFileSync(image, initialImage(SECTORS));
  writeFileSync(log, '');
  const { strace = false, ...rest } = settings;
  const argument = { seed, steps: STEPS, lanes: LANES, image, log, events, ...rest };
  const traced = strace ? { ...argument, marks } : argument;
  const options = strace ? underStrace(output, [image, log, marks]) : {};
  const ended: Ended = await runChild('crash/workload-child.cjs', [JSON.stringify(traced)], {
    ...options,
    limit: LIMIT / 1000,
  });
  const end = rest.kill ? { code: null, signal: 'SIGKILL' } : { code: 0, signal: null };
  expect(ended).toEqual({ ...end, stdout: '', stderr: '' });
  const trace = strace ? readFileSync(output, 'utf8').split('\n') : [];
  const written = JSON.parse(readFileSync(events, 'utf8'));
  return { folder: here, image, log, marks, trace, ...written };
}

async function look({ folder: here, log, events }: Ran) {
  const logged: Logged[] = [];
  for await (const { index, offset, bytes, flush } of readWriteLog(log)) {
    logged.push({ index, sector: offset / SECTOR, count: bytes / SECTOR, flush });
  }
  const model = new CrashModel(SECTORS, events, logged);
  const random = randomNumbers(seed);
  return CrashStates.look({ log, folder: here, model, random, subsets: SUBSETS });
}

const ENGINES = combinations.filter(({ home }) => home === 'node');

const acknowledged = (events: readonly CrashEvent[], kind?: CrashEvent['kind']): number =>
  events.filter((event) => event.type === 'ack' && (kind ?? event.kind) === event.kind).length;

describe('the model', () => {
  const write = (id: number, more: Partial<CrashEvent> = {}): CrashEvent => ({
    ...{ type: 'submit', id, kind: 'write', sector: 0, count: 1, fua: false },
    ...more,
  });
  const done = (event: CrashEvent, entries: number): CrashEvent => ({
    ...event,
    type: 'ack',
    entries,
  });
  const flush = write(9, { kind: 'flush', count: 0 });
  const entry = (index: number, sector: number, flush = false): Logged => ({
    ...{ index, sector, count: flush ? 0 : 1, flush },
  });
  const holding = (id: number): Buffer =>
    Buffer.from(`W${String(id).padStart(7, '0')}.000000\n`.repeat(SECTOR / 16));

  test('crash: a flush covers what was acknowledged when it was asked for, and no more', () => {
    const first = write(1);
    const second = write(2);
    const events = [first, done(first, 1), flush, second, done(second, 2), done(flush, 3)];
    const model = new CrashModel(1, events);
    expect(model.losses(initialImage(1), 2)).toEqual([]);
    expect(model.losses(initialImage(1), 3)).toMatchObject([{ sector: 0, id: 1 }]);
    expect(model.losses(holding(1), 3)).toEqual([]);
    expect(model.losses(holding(2), 3)).toEqual([]);
    expect(model.losses(holding(3), 3)).toMatchObject([{ id: 1, found: 'W0000003.000000\n' }]);
  });

  test('crash: a flush keeps its promise from its own entry on', () => {
    const [first, second] = [write(1), write(2, { sector: 1 })];
    const events = [first, done(first, 1), flush, second, done(second, 3), done(flush, 3)];
    const model = new CrashModel(2, events, [entry(0, 0), entry(1, 0, true), entry(2, 1)]);
    expect(model.losses(initialImage(2), 1)).toEqual([]);
    expect(model.losses(initialImage(2), 2)).toMatchObject([{ sector: 0, id: 1 }]);
  });

  test('crash: FUA is a promise for the write alone', () => {
    const plain = write(1);
    const fua = write(2, { sector: 1, fua: true });
    const model = new CrashModel(2, [plain, done(plain, 1), fua, done(fua, 2)]);
    expect(model.losses(initialImage(2), 1)).toEqual([]);
    expect(model.losses(initialImage(2), 2).map(({ id }) => id)).toEqual([2]);
  });

  test('crash: FUA keeps its promise from its own entry on', () => {
    const [first, fua] = [write(1), write(2, { sector: 1, fua: true })];
    const events = [first, fua, done(first, 2), done(fua, 2)];
    const model = new CrashModel(2, events, [entry(0, 1), entry(1, 0)]);
    expect(model.losses(initialImage(2), 0)).toEqual([]);
    expect(model.losses(initialImage(2), 1).map(({ id }) => id)).toEqual([2]);
  });
});

describe.each(combinations)('on $aio in $home', (combination) => {
  test(
    `crash: ${STEPS} writes and flushes, every prefix and ${SUBSETS} subsets an epoch lose nothing (seed ${seed})`,
    async () => {
      const ran = await run(combination);
      const looked = await look(ran);
      expect(looked.losses).toEqual([]);
      expect(acknowledged(ran.events)).toBeGreaterThanOrEqual(STEPS);
      expect(acknowledged(ran.events, 'flush')).toBeGreaterThan(STEPS / 30);
      expect(looked.prefixes).toBe(looked.entries);
      // Flushes of several lanes at once share one entry.
      expect(looked.epochs).toBeGreaterThan(STEPS / 60);
      expect(looked.writtenEpochs).toBeGreaterThan(looked.epochs / 2);
      expect(looked.subsets).toBe(SUBSETS * looked.writtenEpochs);
      expect(looked.leftOut).toBeGreaterThan(looked.subsets);
      expect(looked.image.equals(readFileSync(ran.image))).toBe(true);
    },
    LIMIT,
  );

  test(
    `crash: all that was acknowledged is in the log of a process that was killed (seed ${seed})`,
    async () => {
      const ran = await run({ ...combination, steps: 200, kill: true });
      const looked = await look(ran);
      expect(looked.losses).toEqual([]);
      expect(looked.image.equals(readFileSync(ran.image))).toBe(true);
    },
    LIMIT,
  );
});

describe.each(ENGINES)('with $aio', (engine) => {
  test.each(['flush:log', 'fua:request'] as const)(
    `crash: one that is dropped on its way, %s, is seen as a loss (seed ${seed})`,
    async (drop) => {
      const { losses } = await look(await run({ ...engine, steps: 200, drop }));
      expect(losses.length).toBeGreaterThan(0);
    },
    LIMIT,
  );
});

test(
  `crash: one lane asks the engine for as many fdatasyncs with io_uring as with threads (seed ${seed})`,
  async () => {
    const counts = [];
    for (const { aio, home } of combinations) {
      counts.push((await run({ aio, home, steps: 300, lanes: 1 })).fdatasyncs);
    }
    expect(counts[0]).toBeGreaterThan(30);
    expect(new Set(counts).size).toBe(1);
  },
  LIMIT,
);

// fdatasync and fallocate go to worker threads on both engines, so strace sees them on both.
describeWith(['strace'], 'what the kernel is asked for', () => {
  const traced = async (settings: Settings) => {
    const ran = await run({ ...settings, strace: true });
    return { ran, ...violations(ran) };
  };

  describe.each(combinations)('on $aio in $home', (combination) => {
    // With one lane nobody else's fdatasync stands in by chance for one that is left out.
    test.each([1, LANES])(
      `crash: each acknowledgement follows an fdatasync that began after what it covers, %i at once (seed ${seed})`,
      async (lanes) => {
        const { ran, violations, checked, syncs } = await traced({ ...combination, lanes });
        expect(violations).toEqual([]);
        expect(checked).toBeGreaterThan(STEPS / 10);
        // What strace saw is what the engine counted.
        expect(syncs).toBe(ran.fdatasyncs);
        expect(ran.fdatasyncs).toBeGreaterThan(STEPS / 40);
      },
      LIMIT,
    );
  });

  describe.each(ENGINES)('with $aio', (engine) => {
    test.each(['flush:file', 'fua:file'] as const)(
      `crash: one fdatasync that is left out, %s, is seen (seed ${seed})`,
      async (drop) => {
        const { violations } = await traced({ ...engine, steps: 200, drop });
        expect(violations).toEqual([
          { id: expect.any(Number), kind: drop === 'fua:file' ? 'write' : 'flush' },
        ]);
      },
      LIMIT,
    );
  });
});
