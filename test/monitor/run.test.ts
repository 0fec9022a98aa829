// Stopping the machine on an error and letting it go on: who hears what, and in which order.
import {
  AioContext,
  BlockBackend,
  cont,
  inactivateAll,
  probe,
  queryStatus,
  RunState,
  setRunState,
  stop,
} from '../../lib/index.js';
import { recordEvents } from '../support/cd-drive.js';
import { runChild } from '../support/child.js';
import { image } from '../support/images.js';
import { combinations, onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { codeOf } from '../support/requests.js';
import { until } from '../support/waiting.js';

const EIO = 5;
const ENOSPC = 28;
const sector = Buffer.alloc(512);
const turn = () => new Promise((resolve) => setImmediate(resolve));

let machine: RunState;
beforeEach(() => {
  machine = new RunState();
  setRunState(machine);
});
// A stop that was posted goes on flushing after the test has seen it, and holds what it flushes.
afterEach(async () => {
  setRunState(new RunState());
  await until(() => BlockBackend.all().length === 0);
});

/** Writes down what happens, in order. */
function record(calls: string[], blk?: BlockBackend): Disposable {
  machine.addHandler((state) => calls.push(`state ${state}`));
  return recordEvents({
    BLOCK_IO_ERROR: ({ action }) => calls.push(`error, ${action}, ${blk?.iostatus}`),
    STOP: () => calls.push('STOP'),
    RESUME: () => calls.push('RESUME'),
  });
}

onEveryEngineAndHome((context) => {
  const open = (options: object = fastDisk(), settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });

  test('ERR-8: the status is set before the event, and the machine stops after it', async () => {
    await using blk = await open(fastDisk(), { werror: 'stop' });
    blk.iostatusEnable();
    const calls: string[] = [];
    using _events = record(calls, blk);
    blk.errorAction('stop', false, EIO);
    expect([calls, machine.state]).toEqual([['error, stop, failed'], 'running']);
    await turn();
    expect(calls).toEqual(['error, stop, failed', 'state io-error', 'STOP']);
    expect(queryStatus()).toEqual({ running: false, status: 'io-error' });
  });

  test('ERR-9: who continues between the event and the stop gets STOP and RESUME, and it runs on', async () => {
    await using blk = await open(fastDisk(), { werror: 'stop' });
    const calls: string[] = [];
    using _events = record(calls, blk);
    let continued: Promise<void> | undefined;
    using _impatient = recordEvents({
      BLOCK_IO_ERROR: () => {
        continued = cont();
      },
    });
    blk.errorAction('stop', false, EIO);
    await continued;
    await turn();
    expect(calls).toEqual(['error, stop, ok', 'STOP', 'RESUME']);
    expect(queryStatus()).toEqual({ running: true, status: 'running' });
  });

  test('ERR-9: a stop that was asked for and not carried out yet becomes STOP and RESUME, too', async () => {
    const calls: string[] = [];
    using _events = record(calls);
    machine.requestStop('io-error');
    await machine.start();
    await turn();
    expect([calls, machine.state]).toEqual([['STOP', 'RESUME'], 'running']);
    expect(() => machine.requestStop('resting' as never)).toThrow('one of');
    await turn();
    expect(machine.state).toBe('running');
  });

  test('ERR-10: two errors before the machine stops: two events, one STOP', async () => {
    await using blk = await open(fastDisk(), { rerror: 'stop', werror: 'stop' });
    const calls: string[] = [];
    using _events = record(calls, blk);
    blk.errorAction('stop', true, EIO);
    blk.errorAction('stop', false, EIO);
    await turn();
    await turn();
    expect(calls).toEqual(['error, stop, ok', 'error, stop, ok', 'state io-error', 'STOP']);
  });

  test('ERR-16: a stop tells the handlers, sends STOP, then drains and flushes all', async () => {
    await using slow = await open(slowDisk());
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n' });
    const calls: string[] = [];
    using _events = record(calls);
    await blk.pwrite(0, sector);
    slow.aio.pread(0, Buffer.alloc(512), () => calls.push('read'));
    const stopped = stop();
    expect(calls).toEqual(['state paused', 'STOP']);
    await stopped;
    expect([calls, probe('n').calls('flush')]).toEqual([['state paused', 'STOP', 'read'], 1]);
    expect([slow.quiesceCount, slow.inFlight]).toEqual([0, 0]);
  });

  test('ERR-16: the first flush that fails is its result, and all are flushed', async () => {
    await using first = await open({
      driver: 'x-probe',
      'node-name': 'a',
      fail: `flush:${ENOSPC}:1`,
    });
    await using second = await open({
      driver: 'x-probe',
      'node-name': 'b',
      fail: `flush:${EIO}:1`,
    });
    await using third = await open({ driver: 'x-probe', 'node-name': 'c' });
    for (const blk of [first, second, third]) await blk.pwrite(0, sector);
    const codes = [await codeOf(stop())];
    expect(['ENOSPC', 'EIO']).toContain(codes[0]);
    expect(['a', 'b', 'c'].map((name) => probe(name).calls('flush'))).toEqual([1, 1, 1]);
    expect(queryStatus().status).toBe('paused');
  });

  test('ERR-16: who continues meanwhile waits until everything is flushed', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n' });
    await blk.pwrite(0, sector);
    probe('n').hold('flush', 'f');
    const calls: string[] = [];
    using _events = record(calls);
    const stopped = stop().then(() => calls.push('stopped'));
    const continued = cont();
    await until(() => probe('n').held('f') === 1);
    expect(calls).toEqual(['state paused', 'STOP']);
    probe('n').release('f');
    await Promise.all([stopped, continued]);
    expect(calls).toEqual(['state paused', 'STOP', 'stopped', 'RESUME', 'state running']);
  });

  test('ERR-17: continuing takes inactive images back; nothing continues a machine that is off', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'n' }), { name: 'd0' });
    await stop();
    await inactivateAll();
    expect(blk.root?.inactive).toBe(true);
    await cont();
    expect([blk.root?.inactive, machine.state]).toEqual([false, 'running']);
    for (const state of ['shutdown', 'internal-error', 'finish-migrate', 'inmigrate'] as const) {
      machine.set(state);
      expect([await codeOf(cont()), machine.state]).toEqual(['EPERM', state]);
    }
    machine.set('running');
  });

  test('ERR-17: continuing resets the status of all disks', async () => {
    await using blk = await open(fastDisk(), { werror: 'stop' });
    blk.iostatusEnable();
    blk.errorAction('stop', false, EIO);
    await turn();
    expect(blk.iostatus).toBe('failed');
    const calls: string[] = [];
    using _events = record(calls);
    await cont();
    expect([calls, blk.iostatus]).toEqual([['RESUME', 'state running'], 'ok']);
    // It runs: nothing to tell.
    await cont();
    expect(calls).toHaveLength(2);
  });
});

describe('the order of events', () => {
  test('ERR-8: stop on a real error and continue, 1,000 times with random delays', async () => {
    const seed = chooseSeed();
    console.log(`ERR-8: seed ${seed}`);
    const random = randomNumbers(seed);
    const contexts = combinations.map((combination) => new AioContext(combination));
    const delay = async () => {
      for (let left = random(3); left > 0; left -= 1) await (random(2) === 0 ? turn() : undefined);
    };
    for (let repetition = 0; repetition < 1000; repetition += 1) {
      const context = contexts[repetition % contexts.length] as AioContext;
      await using blk = await BlockBackend.open(
        { driver: 'x-probe', fail: `pwrite:${ENOSPC}:1` },
        { context, werror: 'enospc' },
      );
      blk.iostatusEnable();
      machine = new RunState();
      setRunState(machine);
      const calls: string[] = [];
      using _events = record(calls, blk);
      await delay();
      expect(await codeOf(blk.pwrite(0, sector))).toBe('ENOSPC');
      const impatient = random(4) === 0;
      blk.errorAction(blk.getErrorAction(false, ENOSPC), false, ENOSPC);
      if (impatient) {
        await cont();
        await turn();
      } else {
        while (machine.isRunning) await turn();
        await delay();
        await cont();
      }
      const expected = impatient
        ? ['error, stop, nospace', 'STOP', 'RESUME']
        : ['error, stop, nospace', 'state io-error', 'STOP', 'RESUME', 'state running'];
      if (calls.join() !== expected.join()) {
        throw new Error(`repetition ${repetition}, seed ${seed}: ${calls.join(', ')}`);
      }
    }
    await until(() => BlockBackend.all().length === 0);
    for (const context of contexts) await context.close();
  }, 120_000);
});

// The built package loads its parts when they are asked for, and nothing of the monitor is here.
test('ERR-16: the disks of a program that only knows the run state are flushed, too', async () => {
  const ended = await runChild('monitor/run-child.cjs', [image(4096)]);
  expect(ended).toEqual({ code: 0, signal: null, stdout: '1\n', stderr: '' });
});
