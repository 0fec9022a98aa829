// What a device on a backend hears of drained sections, and how it may hold them up.
import { BlockBackend, type BlockDevOps } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { isSettled, turn } from '../support/waiting.js';

const sector = Buffer.alloc(512);

/** Device operations that write down when they are called. */
function recorder(calls: string[], name = ''): BlockDevOps {
  return {
    drainedBegin: () => calls.push(`${name}begin`),
    drainedEnd: () => calls.push(`${name}end`),
  };
}

/** Collects what would be uncaught while `body` runs. */
async function uncaught(body: () => Promise<void>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const nextTick = process.nextTick.bind(process);
  const spy = jest.spyOn(process, 'nextTick').mockImplementation((callback, ...values) =>
    nextTick(() => {
      try {
        (callback as (...values: unknown[]) => void)(...values);
      } catch (error) {
        seen.push(error);
      }
    }),
  );
  try {
    await body();
  } finally {
    spy.mockRestore();
  }
  return seen;
}

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk()) => BlockBackend.open(options, { context: context() });

  test('DRAIN-18: a backend has one quiesce per section, its device hears of first and last', async () => {
    await using blk = await open();
    const calls: string[] = [];
    blk.setDeviceOps(recorder(calls));
    const first = await blk.drained();
    const second = await blk.drained();
    expect([blk.quiesceCount, calls]).toEqual([2, ['begin']]);
    first.end();
    expect([blk.quiesceCount, calls]).toEqual([1, ['begin']]);
    second.end();
    expect([blk.quiesceCount, calls]).toEqual([0, ['begin', 'end']]);
  });

  test('DEV-19: drained_begin comes before begin returns, drained_end when requests go on', async () => {
    await using blk = await open();
    const calls: string[] = [];
    blk.setDeviceOps(recorder(calls));
    const quiet = blk.drainBegin();
    calls.push('begun');
    await quiet;
    calls.push('quiet');
    blk.drainEnd();
    calls.push('ended');
    expect(calls).toEqual(['begin', 'begun', 'quiet', 'end', 'ended']);
  });

  test('DEV-19: devices above a node hear of a section below them', async () => {
    await using upper = await open({ driver: 'raw', file: fastDisk({ 'node-name': 'low' }) });
    await using lower = await BlockBackend.open('low');
    const calls: string[] = [];
    upper.setDeviceOps(recorder(calls, 'upper '));
    lower.setDeviceOps(recorder(calls, 'lower '));
    (await upper.drained()).end();
    expect(calls.splice(0)).toEqual(['upper begin', 'upper end']);
    (await lower.drained()).end();
    expect(calls.splice(0).sort()).toEqual([
      'lower begin',
      'lower end',
      'upper begin',
      'upper end',
    ]);
  });

  test('DEV-7: operations that are set in a section hear of it at once, and once', async () => {
    await using blk = await open();
    await Promise.all([blk.drainBegin(), blk.drainBegin()]);
    const calls: string[] = [];
    blk.setDeviceOps(recorder(calls));
    expect(calls).toEqual(['begin']);
    blk.drainEnd();
    expect(calls).toEqual(['begin']);
    blk.drainEnd();
    expect(calls).toEqual(['begin', 'end']);
  });

  test('DEV-8: taking the operations away in a section is no error', async () => {
    await using blk = await open();
    const calls: string[] = [];
    blk.setDeviceOps(recorder(calls));
    await blk.drainBegin();
    blk.setDeviceOps(undefined);
    blk.drainEnd();
    expect(calls).toEqual(['begin']);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('DEV-20: a busy device holds the section up until it says so with kickDrain', async () => {
    await using blk = await open(slowDisk(0));
    let busy = true;
    let polls = 0;
    blk.setDeviceOps({
      drainedPoll() {
        polls += 1;
        return busy;
      },
    });
    const quiet = blk.drainBegin();
    expect(await isSettled(quiet)).toBe(false);
    blk.kickDrain();
    expect(await isSettled(quiet)).toBe(false);
    busy = false;
    // Nothing looks again by itself: that would need a timer.
    for (let index = 0; index < 10; index += 1) await turn();
    const before = polls;
    expect(await isSettled(quiet)).toBe(false);
    expect(polls).toBe(before);
    blk.kickDrain();
    await quiet;
    expect(polls).toBe(before + 1);
    blk.drainEnd();
  });

  test('DEV-20: a device that goes away holds nothing up any more', async () => {
    await using blk = await open();
    blk.setDeviceOps({ drainedPoll: () => true });
    const quiet = blk.drainBegin();
    expect(await isSettled(quiet)).toBe(false);
    blk.setDeviceOps(undefined);
    await quiet;
    blk.drainEnd();
  });

  test('DEV-20: close waits for a busy device, too', async () => {
    const blk = await open();
    let busy = true;
    blk.setDeviceOps({ drainedPoll: () => busy });
    const closed = blk.close();
    expect(await isSettled(closed)).toBe(false);
    busy = false;
    blk.kickDrain();
    await closed;
  });

  test('DEV-20: ending a section from within the poll of another loses neither', async () => {
    await using first = await open();
    await using second = await open();
    let busy = true;
    second.setDeviceOps({ drainedPoll: () => busy });
    const waiting = second.drainBegin();
    expect(await isSettled(waiting)).toBe(false);
    first.setDeviceOps({
      drainedPoll() {
        if (busy) second.drainEnd();
        busy = false;
        return false;
      },
    });
    await first.drainBegin();
    await waiting;
    first.drainEnd();
    expect([first.quiesceCount, second.quiesceCount]).toEqual([0, 0]);
  });

  test('DRAIN-28: what a device throws is uncaught, and disturbs neither section nor others', async () => {
    await using blk = await open();
    const failing = { ...recorder([]), drainedBegin: fail('begin'), drainedEnd: fail('end') };
    const seen = await uncaught(async () => {
      blk.setDeviceOps(failing);
      await blk.drainBegin();
      blk.drainEnd();
      // A device that cannot answer is busy.
      blk.setDeviceOps({ drainedPoll: fail('poll') });
      const quiet = blk.drainBegin();
      expect(await isSettled(quiet)).toBe(false);
      blk.setDeviceOps(undefined);
      await quiet;
      blk.drainEnd();
    });
    const texts = new Set(seen.map((error) => (error as Error).message));
    expect(texts).toEqual(new Set(['begin', 'end', 'poll']));
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('DRAIN-28: a section that begins inside drained_end keeps the requests that waited', async () => {
    await using blk = await open();
    let again = true;
    blk.setDeviceOps({
      drainedEnd() {
        if (again) void blk.drainBegin();
        again = false;
      },
    });
    await blk.drainBegin();
    const read = blk.pread(0, sector);
    blk.drainEnd();
    expect(blk.quiesceCount).toBe(1);
    // It waited for the first section and was started by its end.
    expect(await read).toBe(512);
    const second = blk.pread(0, sector);
    expect(await isSettled(second)).toBe(false);
    blk.drainEnd();
    expect(await second).toBe(512);
  });

  test('AIO-5: a section begun in a normal callback becomes quiet after it returned, not before', async () => {
    await using blk = await open(slowDisk(0));
    const order: string[] = [];
    let quiet: Promise<unknown> | undefined;
    await new Promise<void>((resolve) => {
      blk.aio.pread(0, sector, () => {
        order.push(`callback, ${blk.inFlight} in flight`);
        quiet = blk.drainBegin().then(() => order.push(`quiet, ${blk.inFlight} in flight`));
        // Microtasks and ticks of this turn: the request still counts.
        void Promise.resolve().then(() => order.push('microtask'));
        order.push('returns');
        resolve();
      });
    });
    await quiet;
    expect(order).toEqual(['callback, 1 in flight', 'returns', 'microtask', 'quiet, 0 in flight']);
    blk.drainEnd();
  });

  test('AIO-5: what cannot become quiet can be seen: the backend counts the request', async () => {
    await using blk = await open(slowDisk(0));
    await using other = await open();
    const info = await new Promise((resolve) => {
      blk.aio.pread(0, sector, () => {
        void blk.drainBegin();
        expect(() => blk.preadSync(0, sector)).toThrow(
          expect.objectContaining({ code: 'EDEADLK', operation: 'pread' }),
        );
        // Another backend is not concerned, even synchronously.
        expect(other.preadSync(0, sector)).toBe(512);
        resolve(blk.info());
      });
    });
    expect(info).toMatchObject({ inFlight: 1, quiesceCount: 1, parked: 0 });
    blk.drainEnd();
  });

  test('AIO-6: in the callback of an aborted request the backend is quiet already', async () => {
    await using blk = await open();
    const seen = await new Promise((resolve) => {
      blk.aio.abortRequest(-5, (error, result) => {
        void blk.drainBegin();
        const { inFlight, quiesceCount } = blk;
        resolve({ code: (error as NodeJS.ErrnoException).code, result, inFlight, quiesceCount });
      });
    });
    expect(seen).toEqual({ code: 'EIO', result: -5, inFlight: 0, quiesceCount: 1 });
    blk.drainEnd();
    expect(await blk.pread(0, sector)).toBe(512);
  });
});

function fail(text: string): () => never {
  return () => {
    throw new Error(text);
  };
}
