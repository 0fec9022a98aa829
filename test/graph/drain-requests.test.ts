// What requests and sections are to each other: what counts, what waits for what, and from which
// thread.
import { runNativeLoad } from '../../lib/exports/load.js';
import {
  BlockBackend,
  type BlockdevOptions,
  type BlockError,
  blockdevAdd,
  drainedAll,
  drainedNode,
  probe,
  setBackingFile,
} from '../../lib/index.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { program } from '../support/program.js';
import { isSettled, turn, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const open = (options: BlockdevOptions | string) =>
    BlockBackend.open(options, { context: context() });
  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });
  const counts = (blk: BlockBackend) => [blk.inFlight, blk.root?.info().inFlight];

  test('DRAIN-16: a drain of all covers every node, then waits for every backend', async () => {
    await add('first');
    await add('second');
    const order: string[] = [];
    const covered: number[][] = [];
    const backends: BlockBackend[] = [];
    const nodes = () => ['first', 'second'].map((name) => nodeOf(name).info().quiesce);
    for (const node of ['second', undefined, 'first']) {
      const blk = node ? await open(node) : new BlockBackend({ context: context() });
      const name = node ?? 'empty';
      blk.setDeviceOps({
        drainedBegin() {
          order.push(`begin ${name}`);
          covered.push(nodes());
        },
        drainedEnd: () => order.push(`end ${name}`),
      });
      backends.push(blk);
    }
    // A request in each of them; the empty one's is done only when its callback has returned.
    for (const name of ['first', 'second']) probe(name).hold('pread', 'held');
    for (const blk of backends) {
      blk.aio.pread(0, sector, (error, result) =>
        order.push((error as BlockError | null)?.code ?? `read ${result}`),
      );
    }
    await until(() => ['first', 'second'].every((name) => probe(name).held('held') === 1));
    const begun = drainedAll();
    expect(covered).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(order.filter((entry) => entry.startsWith('begin'))).toEqual([
      'begin second',
      'begin empty',
      'begin first',
    ]);
    for (const name of ['second', 'first']) {
      expect(await isSettled(begun)).toBe(false);
      probe(name).release('held');
    }
    const section = await begun;
    expect(backends.map((blk) => blk.inFlight)).toEqual([0, 0, 0]);
    expect(
      order.filter((entry) => !entry.includes(' ') || entry.startsWith('read')).sort(),
    ).toEqual(['ENOMEDIUM', 'read 512', 'read 512']);
    section.end();
    expect(order.slice(-3)).toEqual(['end second', 'end empty', 'end first']);
    expect([...nodes(), ...backends.map((blk) => blk.quiesceCount)]).toEqual([0, 0, 0, 0, 0]);
  });

  test('DRAIN-39: after begin nothing is in flight in the node, and whoever waits has been told', async () => {
    const blk = await open(slowDisk(0));
    const node = blk.root;
    for (let round = 0; round < 100; round += 1) {
      let told = -1;
      blk.aio.pread(0, sector, (_error, result) => {
        // A moment later.
        told = result;
      });
      const section = round % 2 === 0 ? await blk.drained() : await drainedAll();
      expect([told, blk.inFlight, node?.info().inFlight]).toEqual([512, 0, 0]);
      section.end();
    }
  });

  test.each(['pread', 'aio.pread'] as const)(
    'AIO-14: a request counts in the backend and in the node: %s',
    async (form) => {
      await add('node');
      const blk = await open('node');
      probe('node').hold('pread', 'held');
      const read = new Promise<unknown>((resolve) => {
        if (form === 'pread') resolve(blk.pread(0, sector));
        else blk.aio.pread(0, sector, (_error, result) => resolve(result));
      });
      await until(() => probe('node').held('held') === 1);
      expect(counts(blk)).toEqual([1, 1]);
      probe('node').release('held');
      expect(await read).toBe(512);
      await turn();
      expect(counts(blk)).toEqual([0, 0]);
    },
  );

  test.each([
    ['write', 'pwrite'],
    ['zero-write', 'pwriteZeroes'],
    ['read', 'pread'],
  ] as const)(
    'TRK-15: a misaligned %s is in flight while its padding is',
    async (_name, method) => {
      const file = { driver: 'x-probe', 'node-name': 'node', 'request-alignment': 4096 };
      const blk = await open({ driver: 'raw', 'node-name': 'above', file });
      const held = probe('node');
      const events = method === 'pread' ? (['pread'] as const) : (['pread', 'pwrite'] as const);
      for (const event of events) held.hold(event, event);
      const request =
        method === 'pwriteZeroes'
          ? blk.pwriteZeroes(100, 100)
          : blk[method](100, Buffer.alloc(100));
      const begun: Promise<unknown>[] = [];
      for (const event of events) {
        await until(() => held.held(event) === 1);
        expect([blk.inFlight, nodeOf('node').info().inFlight]).toEqual([1, 1]);
        if (begun.length === 0) begun.push(drainedNode('node'));
        expect(await isSettled(begun[0] as Promise<unknown>)).toBe(false);
        held.release(event);
      }
      const section = (await begun[0]) as Awaited<ReturnType<typeof drainedNode>>;
      expect([blk.inFlight, nodeOf('node').info().inFlight]).toEqual([0, 0]);
      expect(await request).toBe(method === 'pwriteZeroes' ? 0 : 100);
      section.end();
    },
  );

  test('DRAIN-43: what a callback flushes holds up no drain', async () => {
    const blk = await open(slowDisk(0));
    const other = await open(fastDisk());
    for (const queueing of [true, false]) {
      blk.requestQueueing = queueing;
      for (let round = 0; round < 20; round += 1) {
        const order: string[] = [];
        let flush: Promise<unknown> | undefined;
        blk.aio.pread(0, sector, () => {
          // Of its own backend it can only ask; of another one in the same loop it can wait.
          flush = blk.flush().then(() => order.push('flush'));
          expect(other.flushSync()).toBe(0);
        });
        const begun = blk.drained();
        // Its answer would have to come from here: refused, and no deadlock.
        const refused = expect.objectContaining({ code: 'EDEADLK' });
        if (queueing) expect(() => blk.flushSync()).toThrow(refused);
        const section = await begun;
        order.push('quiet');
        section.end();
        await flush;
        expect(order).toEqual(queueing ? ['quiet', 'flush'] : ['flush', 'quiet']);
      }
    }
  });

  test('NEW-1: requests of a section wait for its end, unless queueing is switched off', async () => {
    const blk = await open(fastDisk());
    expect(blk.requestQueueing).toBe(true);
    const section = await blk.drained();
    const waiting = [blk.pread(0, sector), blk.pwrite(0, sector), blk.flush()];
    await until(() => blk.parked === 3);
    blk.requestQueueing = false;
    // What waits goes on waiting; what comes now runs.
    expect(await blk.pread(0, sector)).toBe(512);
    expect([blk.parked, blk.inFlight, await isSettled(Promise.race(waiting))]).toEqual([
      3,
      0,
      false,
    ]);
    blk.requestQueueing = true;
    waiting.push(blk.pread(512, sector));
    await until(() => blk.parked === 4);
    section.end();
    expect(await Promise.all(waiting)).toEqual([512, 512, 0, 512]);
  });

  test('NEW-10: a backend is made with a node, and its device can hold a section up', async () => {
    await add('node');
    const blk = await open('node');
    expect(blk.root).toBe(nodeOf('node'));
    let busy = true;
    blk.setDeviceOps({ drainedPoll: () => busy });
    const begun = blk.drained();
    expect(await isSettled(begun)).toBe(false);
    busy = false;
    blk.kickDrain();
    (await begun).end();
  });

  test('NEW-11: begin and its hooks wait for nothing, and changes of the graph for all', async () => {
    await add('below');
    await add('above', { backing: 'below' });
    const blk = await open('above');
    probe('below').hold('pread', 'held');
    const order: string[] = [];
    blk.setDeviceOps({ drainedBegin: () => order.push(`begin, ${blk.inFlight} in flight`) });
    blk.aio.pread(0, sector, () => order.push('read'));
    await until(() => probe('below').held('held') === 1);
    const begins = () => ['above', 'below'].map((name) => probe(name).calls('drainedBegin'));
    const before = begins();
    const begun = drainedNode('below');
    const told = begins().map((count, index) => count - (before[index] as number));
    const changed = setBackingFile('above', null).then(() => order.push('changed'));
    expect([order, told]).toEqual([['begin, 1 in flight'], [1, 1]]);
    expect(await isSettled(Promise.race([begun, changed]))).toBe(false);
    expect(nodeOf('above').backing?.child.name).toBe('below');
    probe('below').release('held');
    await changed;
    expect(order).toEqual(['begin, 1 in flight', 'read', 'changed']);
    (await begun).end();
  });

  test('NEW-16: a device asks whether it is drained, and stops its queue itself', async () => {
    const blk = await open(slowDisk(0));
    blk.requestQueueing = false;
    const seen: boolean[] = [];
    let stopped = false;
    let done = 0;
    blk.setDeviceOps({
      drainedBegin() {
        stopped = true;
        seen.push(blk.inDrain);
      },
      drainedEnd() {
        stopped = false;
        seen.push(blk.inDrain);
        submit();
      },
    });
    /** The device's queue: one request after the other. */
    const submit = (): void => {
      if (stopped || done >= 400) return;
      blk.aio.pread(0, sector, () => {
        done += 1;
        submit();
      });
    };
    expect(blk.inDrain).toBe(false);
    submit();
    for (let round = 0; round < 20; round += 1) {
      const outer = await blk.drained();
      const inner = await drainedAll();
      expect(blk.inDrain).toBe(true);
      const before = done;
      await turn();
      expect([done, blk.inFlight]).toEqual([before, 0]);
      inner.end();
      expect(blk.inDrain).toBe(true);
      outer.end();
      await until(() => done > before || done >= 400);
    }
    await until(() => done >= 400);
    expect(seen).toEqual(Array.from({ length: 20 }, () => [true, false]).flat());
    await blk.close();
    expect(blk.inDrain).toBe(false);
  });

  test('NEW-20: begin and end while native code of the home submits lose no request', async () => {
    const blk = await open(slowDisk(0));
    let loading = true;
    const load = runNativeLoad(blk, {
      operation: 'readwrite',
      random: true,
      blockSize: 4096,
      depth: 8,
      runtimeNs: 150_000_000,
      seed: 1,
    }).finally(() => {
      loading = false;
    });
    let sections = 0;
    while (loading) {
      const section = sections % 3 === 0 ? await drainedAll() : await blk.drained();
      expect([blk.inFlight, blk.root?.info().inFlight]).toEqual([0, 0]);
      section.end();
      sections += 1;
      if (sections % 5 === 0) await turn();
    }
    const { requests, bytes } = await load;
    expect(requests).toBeGreaterThan(0);
    expect(bytes).toBe(requests * 4096);
    expect(sections).toBeGreaterThan(5);
    expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([0, 0, 0]);
  });
});

test('DRAIN-39: sections of one thread do not reach what belongs to another', async () => {
  const seen = await program(`
    const { Worker } = require('node:worker_threads');
    const { BlockBackend, blockdevAdd, drainedAll, lookupNode } = require('block-backend');
    const code = \`
      const { parentPort } = require('node:worker_threads');
      const { BlockBackend, drainedAll, drainedNode } = require('block-backend');
      (async () => {
        const refused = await drainedNode('ours').then(() => 'begun', (error) => error.code);
        const blk = await BlockBackend.open({ driver: 'null-co', 'node-name': 'theirs' });
        const section = await drainedAll();
        parentPort.postMessage([refused, blk.quiesceCount]);
        parentPort.once('message', async () => {
          section.end();
          await blk.close();
        });
      })();
    \`;
    (async () => {
      const blk = await BlockBackend.open({ driver: 'null-co', 'node-name': 'ours' });
      const worker = new Worker(code, { eval: true });
      const theirs = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      const counts = [blk.quiesceCount, blk.root.info().quiesce];
      const read = await blk.pread(0, Buffer.alloc(512));
      worker.postMessage('end');
      await new Promise((resolve) => worker.once('exit', resolve));
      await blk.close();
      console.log(JSON.stringify({ theirs, counts, read }));
    })();
  `);
  expect(seen).toEqual({ theirs: ['EINVAL', 1], counts: [0, 0], read: 512 });
});
