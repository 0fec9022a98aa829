// Jobs, which make progress by themselves, in drained sections over the nodes that they use.
import {
  BlockBackend,
  blockdevAdd,
  drainedAll,
  drainedNode,
  ProbeJob,
  ThrottleGroup,
} from '../../lib/index.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { isSettled, turn, until } from '../support/waiting.js';

const KINDS = {
  'node source': { begin: () => drainedNode('source'), pauses: 1 },
  'subtree of source': { begin: () => drainedNode('source', { subtree: true }), pauses: 1 },
  'node target': { begin: () => drainedNode('target'), pauses: 1 },
  all: { begin: () => drainedAll(), pauses: 2 },
} as const;
const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  /** A job over source and target, which somebody keeps in the context. */
  const openJob = async () => {
    const settings = {
      context: context(),
      permissions: ['consistent-read'],
      shared: ['consistent-read', 'write', 'write-unchanged', 'resize'],
    } as const;
    for (const name of ['source', 'target']) {
      await blockdevAdd({ driver: 'x-probe', 'node-name': name });
      await BlockBackend.open(name, settings);
    }
    const job = new ProbeJob('mirror');
    await job.attach(nodeOf('source'));
    await job.attach(nodeOf('target'));
    expect(job.context).toBe(context());
    return job;
  };

  test.each(kinds)('DRAIN-36: a job over source and target is paused: %s', async (kind) => {
    const { begin, pauses } = KINDS[kind];
    const job = await openJob();
    // Each step ends in a later turn than it began in.
    job.onStep = () => {
      job.busy = true;
      setImmediate(() => {
        job.busy = false;
        kick();
      });
    };
    const [blk] = BlockBackend.all();
    const kick = () => blk?.kickDrain();
    job.start();
    await until(() => job.progress > 2);
    const begun = begin();
    expect(job.pauseCount).toBe(pauses);
    const section = await begun;
    expect([job.pauseCount, job.busy]).toEqual([pauses, false]);
    const { progress } = job;
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect([job.progress, job.busy]).toEqual([progress, false]);
    section.end();
    expect(job.pauseCount).toBe(0);
    await until(() => job.progress > progress + 2);
    job.stop();
    await until(() => !job.busy);
    await job.detach();
  });

  test.each(kinds)('DRAIN-36: a job that fails in its run does not break it: %s', async (kind) => {
    const { begin, pauses } = KINDS[kind];
    const job = await openJob();
    const failure = new Error('run');
    let failing = false;
    job.onStep = () => {
      if (failing) throw failure;
    };
    job.start();
    await until(() => job.progress > 2);
    // It is in the middle of the step that is going to fail.
    job.busy = true;
    const begun = begin();
    expect(job.pauseCount).toBe(pauses);
    expect(await isSettled(begun)).toBe(false);
    failing = true;
    job.busy = false;
    BlockBackend.all()[0]?.kickDrain();
    const section = await begun;
    expect([job.pauseCount, job.error]).toEqual([pauses, undefined]);
    section.end();
    expect(job.pauseCount).toBe(0);
    await until(() => job.error === failure);
    // Having failed it still uses its nodes, and a section pauses it as before.
    const again = await begin();
    expect([job.pauseCount, job.isRunning]).toEqual([pauses, false]);
    again.end();
    expect(job.pauseCount).toBe(0);
    await job.detach();
  });

  test.each(kinds)(
    'DRAIN-36: a job that fails as it completes in the section: %s',
    async (kind) => {
      const { begin, pauses } = KINDS[kind];
      const job = await openJob();
      job.busy = true;
      let completed: Promise<unknown> | undefined;
      const prepare = () => Promise.reject(new Error('prepare'));
      job.onPause = () => {
        // Whether it succeeds or not, it lets go of its nodes.
        completed = prepare().catch(async (error: unknown) => {
          await job.detach();
          throw error;
        });
        completed.catch(() => {});
      };
      const begun = begin();
      expect(job.pauseCount).toBe(pauses);
      await expect(completed).rejects.toThrow('prepare');
      expect([job.pauseCount, job.edges]).toEqual([0, []]);
      // It is busy still, and of no concern to the section any more.
      const section = await begun;
      const quiesce = ['source', 'target'].map((name) => nodeOf(name).info().quiesce);
      expect(quiesce.filter((count) => count === 1)).toHaveLength(pauses);
      section.end();
      expect([job.begins, job.ends]).toEqual([pauses, pauses]);
    },
  );

  test('DRAIN-36: what the hooks of a job throw disturbs no section', async () => {
    const job = await openJob();
    const seen: unknown[] = [];
    const nextTick = process.nextTick.bind(process);
    const spy = jest.spyOn(process, 'nextTick').mockImplementation((callback, ...values) =>
      nextTick(() => {
        try {
          (callback as (...values: unknown[]) => void)(...values);
        } catch (error) {
          seen.push((error as Error).message);
        }
      }),
    );
    try {
      job.onPause = () => {
        throw new Error('pause');
      };
      job.onResume = () => {
        throw new Error('resume');
      };
      const section = await drainedAll();
      expect(job.pauseCount).toBe(2);
      section.end();
      expect(job.pauseCount).toBe(0);
      await turn();
    } finally {
      spy.mockRestore();
    }
    expect(seen).toEqual(['pause', 'resume']);
    await job.detach();
  });

  test('DRAIN-42: draining all while a job runs over a throttled drive does not finish the job', async () => {
    // One byte per second: the second request would go on after minutes.
    const group = new ThrottleGroup('slow', { 'bps-total': 1 });
    const options = { driver: 'throttle', 'node-name': 'filter', 'throttle-group': 'slow' };
    const disk = { driver: 'null-co', size: 1 << 20, 'node-name': 'below' };
    await blockdevAdd({ ...options, file: disk });
    const blk = await BlockBackend.open('filter', { context: context() });
    // As jobs do: what it asks for in a section is its own affair.
    blk.requestQueueing = false;
    const job = new ProbeJob('stream');
    await job.attach(nodeOf('filter'));
    const steps = 10;
    let done = 0;
    const run = async (): Promise<void> => {
      while (done < steps) {
        await until(() => job.pauseCount === 0);
        job.busy = true;
        await blk.pread(done * 512, Buffer.alloc(512));
        job.busy = false;
        done += 1;
        blk.kickDrain();
        await turn();
      }
    };
    const finished = run();
    await until(() => done === 1 && blk.inFlight === 1);
    expect(await isSettled(finished)).toBe(false);
    for (const ran of [2, 3]) {
      const section = await drainedAll();
      expect([job.pauseCount, job.busy, blk.inFlight, done]).toEqual([1, false, 0, ran]);
      for (let turns = 0; turns < 5; turns += 1) await turn();
      expect(done).toBe(ran);
      section.end();
      await until(() => blk.inFlight === 1);
    }
    expect(await isSettled(finished)).toBe(false);
    group.update({ 'bps-total': 0 });
    await finished;
    await job.detach();
    await blk.close();
    await clearGraph();
    group.delete();
  });
});
