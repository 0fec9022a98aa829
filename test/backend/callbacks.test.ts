import {
  AioContext,
  type AioForms,
  BlockBackend,
  type DrainSection,
  drainedAll,
} from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { makeImage } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 65536;

interface Outcome {
  code: string | undefined;
  result: number;
}

/** Submits with a callback and resolves to what it got; fails when it is called twice. */
function called(submit: (callback: (error: Error | null, result: number) => void) => void) {
  let calls = 0;
  return new Promise<Outcome>((resolve, reject) => {
    submit((error, result) => {
      calls += 1;
      if (calls > 1) reject(new Error('called twice'));
      const code = (error as NodeJS.ErrnoException | null)?.code;
      setImmediate(() => resolve({ code, result }));
    });
  });
}

onEveryEngineAndHome((context) => {
  let filename: string;
  beforeAll(() => {
    filename = makeImage(folder, 'aio.img', SIZE);
  });
  const open = () => BlockBackend.open(rawOptions(filename), { context: context() });
  const openNull = (driver: string) => BlockBackend.open({ driver }, { context: context() });

  test('AIO-1: the callback never runs before the call returned', async () => {
    for (const driver of ['null-co', 'null-aio']) {
      await using blk = await openNull(driver);
      let returned = false;
      const seen: boolean[] = [];
      const outcome = called((callback) => {
        blk.aio.pread(0, Buffer.alloc(512), (error, result) => {
          seen.push(returned);
          callback(error, result);
        });
        returned = true;
      });
      expect(await outcome).toEqual({ code: undefined, result: 512 });
      expect(seen).toEqual([true]);
    }
  });

  test('AIO-3: an early failure comes through the callback too', async () => {
    const empty = new BlockBackend({ context: context() });
    const outcomes: Outcome[] = [];
    const request = empty.aio.flush((error, result) => {
      outcomes.push({ code: (error as NodeJS.ErrnoException | null)?.code, result });
    });
    expect(typeof request).toBe('number');
    expect(outcomes).toEqual([]);
    const section = await empty.drained();
    expect(outcomes).toEqual([{ code: 'ENOMEDIUM', result: -123 }]);
    section.end();
    await empty.close();
    await using blk = await open();
    expect(await called((callback) => blk.aio.pread(SIZE, Buffer.alloc(1), callback))).toEqual({
      code: 'EIO',
      result: -5,
    });
  });

  test('AIO-4: draining everything waits for a backend without a medium', async () => {
    const empty = new BlockBackend({ context: context() });
    const results: number[] = [];
    empty.aio.flush((_, result) => results.push(result));
    const section = await drainedAll();
    expect(results).toEqual([-123]);
    section.end();
    await empty.close();
  });

  test('AIO-5: in flight from the call until the callback returned', async () => {
    await using blk = await open();
    let inside = -1;
    const outcome = called((callback) => {
      blk.aio.pread(0, Buffer.alloc(512), (error, result) => {
        inside = blk.inFlight;
        callback(error, result);
      });
    });
    expect(blk.inFlight).toBe(1);
    await outcome;
    expect([inside, blk.inFlight]).toEqual([1, 0]);
  });

  test('AIO-5: a section begun inside a callback is quiet once the callback returned', async () => {
    await using blk = await open();
    const section = await new Promise<DrainSection>((resolve, reject) => {
      blk.aio.pread(0, Buffer.alloc(512), () => {
        blk.drained().then(resolve, reject);
      });
    });
    expect(blk.inFlight).toBe(0);
    section.end();
  });

  test('AIO-6: of an aborted request the count drops before the callback', async () => {
    await using blk = await open();
    let inside = -1;
    const outcome = called((callback) => {
      blk.aio.abortRequest(-5, (error, result) => {
        inside = blk.inFlight;
        callback(error, result);
      });
    });
    expect(blk.inFlight).toBe(1);
    expect(await outcome).toEqual({ code: 'EIO', result: -5 });
    expect(inside).toBe(0);
  });

  test('AIO-7: abort works without a medium, with any result', async () => {
    const empty = new BlockBackend({ context: context() });
    for (const [result, code] of [
      [0, undefined],
      [42, undefined],
      [-28, 'ENOSPC'],
      [-125, 'ECANCELED'],
    ] as const) {
      expect(await called((callback) => empty.aio.abortRequest(result, callback))).toEqual({
        code,
        result,
      });
    }
    await empty.close();
  });

  test('AIO-8: cancel waits for the true result, and the callback ran once', async () => {
    await using blk = await open();
    const results: number[] = [];
    const requests = [0, 4096, 8192].map((offset) =>
      blk.aio.pread(offset, Buffer.alloc(4096), (error, result) => {
        expect(error).toBeNull();
        results.push(result);
      }),
    );
    await blk.aio.cancel(requests[1] as (typeof requests)[0]);
    await Promise.all(requests.map((request) => blk.aio.cancel(request)));
    expect(results).toEqual([4096, 4096, 4096]);
    await blk.aio.cancel(requests[0] as (typeof requests)[0]);
    expect(results).toEqual([4096, 4096, 4096]);
  });

  test('AIO-9: the asynchronous cancel is a hint without effect', async () => {
    await using blk = await open();
    const outcome = await called((callback) => {
      blk.aio.cancelAsync(blk.aio.pread(0, Buffer.alloc(512), callback));
    });
    expect(outcome).toEqual({ code: undefined, result: 512 });
  });

  test('AIO-11: callbacks may submit, close and open', async () => {
    const blk = await open();
    const second = await called((callback) => {
      blk.aio.pread(0, Buffer.alloc(512), () => {
        blk.aio.pread(512, Buffer.alloc(1024), callback);
      });
    });
    expect(second).toEqual({ code: undefined, result: 1024 });
    const other = await new Promise<BlockBackend>((resolve, reject) => {
      blk.aio.pread(0, Buffer.alloc(512), () => {
        blk.close().then(open).then(resolve, reject);
      });
    });
    expect([blk.isClosed, other.isClosed]).toEqual([true, false]);
    await other.close();
  });

  test('AIO-13: the count is 0 after every drain, whatever came before', async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`AIO-13 seed ${seed}`);
    let state = seed;
    const random = (bound: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 8) % bound;
    };
    await using blk = await open();
    let submitted = 0;
    let finished = 0;
    const done = (): void => {
      finished += 1;
    };
    const submit: ((aio: AioForms) => void)[] = [
      (aio) => aio.pread(512 * random(200), Buffer.alloc(4096), done),
      (aio) => aio.pwrite(512 * random(120), Buffer.alloc(2048), done),
      (aio) => aio.flush(done),
      (aio) => aio.pdiscard(0, 4096, done),
      (aio) => aio.abortRequest(-1, done),
    ];
    for (let round = 0; round < 20; round += 1) {
      for (let count = random(50); count >= 0; count -= 1) {
        submit[random(submit.length)]?.(blk.aio);
        submitted += 1;
      }
      const section = await blk.drained();
      expect([blk.inFlight, finished]).toEqual([0, submitted]);
      section.end();
    }
  });

  // QEMU's run its event loop, so that other callbacks run inside them.
  test('RW-6: a synchronous request runs inline, in a callback too, and no other callback in it', async () => {
    await using blk = await open();
    const order: string[] = [];
    let inside = '';
    const readInline = (name: string) => {
      if (inside !== '') order.push(`${name} in ${inside}`);
      inside = name;
      const result = blk.preadSync(4096, Buffer.alloc(1024));
      inside = '';
      order.push(`${name} ${result}`);
    };
    const ended = [1, 2, 3].map((index) =>
      called((callback) => {
        blk.aio.pread(512 * index, Buffer.alloc(512), (error, result) => {
          readInline(`callback ${index}`);
          callback(error, result);
        });
      }),
    );
    readInline('outside');
    expect(order).toEqual(['outside 1024']);
    await Promise.all(ended);
    expect(order.slice(1).sort()).toEqual([
      'callback 1 1024',
      'callback 2 1024',
      'callback 3 1024',
    ]);
  });

  // In 4.1 there was no context to wait in, and QEMU ended.
  test('AIO-10: a request that was made without a medium can be cancelled', async () => {
    await using empty = new BlockBackend({ context: context() });
    const results: number[] = [];
    const flush = () => empty.aio.flush((_error, result) => results.push(result));
    const [first, second] = [flush(), flush()];
    empty.aio.cancelAsync(second);
    await empty.aio.cancel(first);
    await empty.aio.cancel(second);
    expect(results).toEqual([-123, -123]);
    await empty.aio.cancel(first);
    expect([results.length, empty.inFlight]).toEqual([2, 0]);
  });

  test('AIO-15: the size of a vector is the size of the request', async () => {
    await using blk = await open();
    const parts = [Buffer.alloc(1000, 1), Buffer.alloc(0), Buffer.alloc(3096, 2)];
    const { aio } = blk;
    expect(await called((callback) => aio.pwritev(0, parts, callback))).toMatchObject({
      result: 4096,
    });
    const back = [Buffer.alloc(4000), Buffer.alloc(96)];
    expect(await called((callback) => aio.preadv(0, back, callback))).toMatchObject({
      result: 4096,
    });
    expect(Buffer.concat(back).equals(Buffer.concat(parts))).toBe(true);
    expect(await called((callback) => aio.pwriteZeroes(0, 4096, callback))).toMatchObject({
      result: 0,
    });
    expect(await called((callback) => aio.pdiscard(0, 4096, callback))).toMatchObject({
      result: 0,
    });
  });
});

describe('in virtual time', () => {
  const open = (context: AioContext) =>
    BlockBackend.open(
      { driver: 'file', filename: makeImage(folder, 'sim.img', SIZE) },
      { context },
    );

  test('AIO-2: the callback runs with the completion, before anything of the next turn', async () => {
    const sim = { minLatency: 5000, maxLatency: 5000 };
    await using context = new AioContext({ home: 'virtual', sim });
    await using blk = await open(context);
    const order: string[] = [];
    blk.aio.pread(0, Buffer.alloc(512), () => order.push('callback'));
    await context.advance(4999);
    setImmediate(() => order.push('next turn'));
    await context.advance(1);
    await new Promise(setImmediate);
    expect(order).toEqual(['callback', 'next turn']);
  });

  test('AIO-5: a drained section waits as long as the request takes', async () => {
    const sim = { minLatency: 5000, maxLatency: 5000 };
    await using context = new AioContext({ home: 'virtual', sim });
    await using blk = await open(context);
    blk.aio.pread(0, Buffer.alloc(512), () => {});
    let quiet = false;
    const section = blk.drained().then((begun) => {
      quiet = true;
      return begun;
    });
    await context.advance(4999);
    expect([quiet, blk.inFlight]).toEqual([false, 1]);
    await context.advance(1);
    (await section).end();
    expect(blk.inFlight).toBe(0);
  });

  test('AIO-12: requests complete in the order of the device, not of the calls', async () => {
    const sim = { seed: 7, minLatency: 1000, maxLatency: 100_000 };
    await using context = new AioContext({ home: 'virtual', sim });
    await using blk = await open(context);
    const order: number[] = [];
    for (let index = 0; index < 16; index += 1) {
      blk.aio.pread(4096 * index, Buffer.alloc(4096), () => order.push(index));
    }
    for (let step = 0; step < 100; step += 1) await context.advance(1000);
    const submitted = [...Array(16).keys()];
    expect([...order].sort((a, b) => a - b)).toEqual(submitted);
    expect(order).not.toEqual(submitted);
  });
});
