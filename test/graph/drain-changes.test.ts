// The graph changes while sections wait or hold: by callbacks of requests, by devices, by jobs.
import { graph } from '../../lib/graph/graph.js';
import {
  AioContext,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  drainedAll,
  drainedNode,
  dropIntermediate,
  lookupNode,
  ProbeJob,
  probe,
  setBackingFile,
} from '../../lib/index.js';
import { clearGraph, links, nodeOf } from '../support/graph.js';
import { combinations, onEveryEngineAndHome } from '../support/matrix.js';
import { isSettled, turn, until } from '../support/waiting.js';

const KINDS = {
  node: (name: string) => drainedNode(name),
  subtree: (name: string) => drainedNode(name, { subtree: true }),
  all: () => drainedAll(),
} as const;
const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];

const sector = () => Buffer.alloc(512);
const quiesce = (...names: string[]) => names.map((name) => nodeOf(name).info().quiesce);
const exists = (name: string) => graph().names.node(name) !== undefined;

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });
  const open = (options: string | BlockdevOptions) =>
    BlockBackend.open(options, {
      context: context(),
      permissions: ['consistent-read'],
      shared: ['consistent-read', 'write', 'write-unchanged', 'resize'],
    });

  /** pa stands on a; pb on a and b; c stands alone. All of them in one context. */
  const openFamily = async () => {
    for (const name of ['a', 'b', 'c']) await add(name);
    await add('pa', { roles: { file: 'data,primary' }, file: 'a' });
    const roles = { file: 'data,primary', backing: 'cow' };
    await add('pb', { roles, file: 'a', backing: 'b' });
    const user = await open('pa');
    for (const name of ['pb', 'b', 'c']) await open(name);
    return user;
  };
  /** pb loses b and gets c. */
  const swap = async () => {
    await setBackingFile('pb', null);
    await setBackingFile('pb', 'c');
  };
  const counts = () =>
    Object.fromEntries(
      ['pa', 'pb', 'a', 'b', 'c'].map((name) => [name, nodeOf(name).info().quiesce]),
    );

  test('DRAIN-28: what a callback of a request asks of the graph is done inside the section', async () => {
    const blk = await openFamily();
    probe('a').hold('pread', 'held');
    let swapped: Promise<void> | undefined;
    blk.aio.pread(0, sector(), () => {
      swapped = swap();
    });
    await until(() => probe('a').held('held') === 1);
    const begun = drainedNode('pb', { subtree: true });
    expect(counts()).toEqual({ pa: 1, pb: 1, a: 1, b: 1, c: 0 });
    expect(await isSettled(begun)).toBe(false);
    probe('a').release('held');
    const section = await begun;
    await swapped;
    const below = links().filter((link) => link.startsWith('pb.'));
    expect(below).toEqual(['pb.backing -> c', 'pb.file -> a']);
    expect(counts()).toEqual({ pa: 1, pb: 1, a: 1, b: 0, c: 1 });
    section.end();
    expect(counts()).toEqual({ pa: 0, pb: 0, a: 0, b: 0, c: 0 });
  });

  test('DRAIN-28: what drained_begin and drained_end of a device ask of the graph comes later', async () => {
    const blk = await openFamily();
    const changes: Promise<void>[] = [];
    const seen: string[] = [];
    blk.setDeviceOps({
      drainedBegin() {
        changes.push(swap());
        seen.push(...links().filter((link) => link.startsWith('pb.backing')));
      },
      drainedEnd() {
        if (changes.length === 1) changes.push(setBackingFile('pb', null));
        seen.push(...links().filter((link) => link.startsWith('pb.backing')));
      },
    });
    const section = await drainedNode('pb', { subtree: true });
    await changes[0];
    expect(counts()).toEqual({ pa: 1, pb: 1, a: 1, b: 0, c: 1 });
    section.end();
    await Promise.all(changes);
    // Neither hook has changed anything by itself.
    expect(seen).toEqual(['pb.backing -> b', 'pb.backing -> c']);
    expect(links().filter((link) => link.startsWith('pb.'))).toEqual(['pb.file -> a']);
    expect(counts()).toEqual({ pa: 0, pb: 0, a: 0, b: 0, c: 0 });
    blk.setDeviceOps(undefined);
  });

  test.each(kinds)(
    'DRAIN-30: a read that ends in the section drops the last reference to the parent: %s',
    async (kind) => {
      await add('child');
      const blk = await open({ driver: 'x-probe', 'node-name': 'parent', backing: 'child' });
      probe('child').hold('pread', 'held');
      let dropped: Promise<void> | undefined;
      blk.aio.pread(0, sector(), () => {
        dropped = blk.unref();
      });
      await until(() => probe('child').held('held') === 1);
      const begun = KINDS[kind]('child');
      expect(await isSettled(begun)).toBe(false);
      expect(quiesce('parent', 'child')).toEqual([1, 1]);
      probe('child').release('held');
      const section = await begun;
      await dropped;
      expect([exists('parent'), blk.references, blk.isClosed]).toEqual([false, 0, true]);
      expect(quiesce('child')).toEqual([1]);
      expect(BlockBackend.all()).not.toContain(blk);
      section.end();
      expect(quiesce('child')).toEqual([0]);
    },
  );

  test.each(kinds)(
    'DRAIN-31: a read that ends in the section makes its parent let go of all children: %s',
    async (kind) => {
      await add('child');
      await add('other');
      await add('parent', {
        roles: { backing: 'cow', more: 'data' },
        backing: 'child',
        more: 'other',
      });
      const blk = await open('parent');
      const keeper = await open('child');
      probe('child').hold('pread', 'held');
      let detached: Promise<void> | undefined;
      blk.aio.pread(0, sector(), () => {
        detached = setBackingFile('parent', null);
      });
      await until(() => probe('child').held('held') === 1);
      const begun = KINDS[kind]('child');
      probe('child').release('held');
      const section = await begun;
      await detached;
      expect(nodeOf('parent').child('backing')).toBeUndefined();
      // Only a section over all has anything to do with the parent now.
      const above = kind === 'all' ? 1 : 0;
      expect(quiesce('child', 'parent')).toEqual([1, above]);
      expect([keeper.quiesceCount, blk.quiesceCount]).toEqual([1, above]);
      section.end();
      expect(quiesce('child', 'parent')).toEqual([0, 0]);
      expect(await blk.pread(0, sector())).toBe(512);
    },
  );

  test('DRAIN-37: a job that ends as the section ends takes the child from its parents', async () => {
    await add('child');
    await add('first', { backing: 'child' });
    await add('second', { backing: 'child' });
    const users = [await open('first'), await open('second')];
    const job = new ProbeJob('commit');
    await job.attach(nodeOf('child'));
    let completed: Promise<unknown> | undefined;
    job.onResume = () => {
      completed ??= Promise.all([
        setBackingFile('first', null),
        setBackingFile('second', null),
        job.detach(),
      ]);
    };
    const section = await drainedNode('child');
    expect(job.pauseCount).toBe(1);
    const reads = users.map((blk) => blk.pread(0, sector()));
    await until(() => users.every((blk) => blk.parked === 1));
    section.end();
    // What it asks for is on its way; nobody walks along edges that it takes away.
    expect(completed).toBeDefined();
    expect(await Promise.all(reads)).toEqual([512, 512]);
    await completed;
    expect([nodeOf('child').parents.length, job.pauseCount]).toEqual([0, 0]);
    expect(quiesce('child', 'first', 'second')).toEqual([0, 0, 0]);
    expect(users.map((blk) => blk.quiesceCount)).toEqual([0, 0]);
  });

  test('DRAIN-38: dropping an intermediate node while a job that stands on it ends', async () => {
    await add('base');
    await add('mid', { backing: 'base' });
    await add('top', { backing: 'mid' });
    const blk = await open('top');
    const job = new ProbeJob('stream', { stayPut: true });
    await job.attach(nodeOf('mid'));
    job.busy = true;
    let ended: Promise<void> | undefined;
    // It ends in the wait of the change, and wants the very edges that the change is about.
    job.onPause = () => {
      ended ??= setBackingFile('top', null).then(() => job.detach());
    };
    const dropped = dropIntermediate('mid', 'base');
    await until(() => job.pauseCount > 0);
    expect(await isSettled(dropped)).toBe(false);
    expect(nodeOf('top').backing?.child.name).toBe('mid');
    job.busy = false;
    blk.kickDrain();
    await dropped;
    expect(nodeOf('top').backing?.child.name).toBe('base');
    await ended;
    expect(nodeOf('top').backing).toBeUndefined();
    expect(quiesce('top', 'base', 'mid')).toEqual([0, 0, 0]);
    expect([job.pauseCount, blk.quiesceCount]).toEqual([0, 0]);
    expect(await blk.pread(0, sector())).toBe(512);
  });

  test('DRAIN-40: a section follows its nodes into another context', async () => {
    await add('below');
    await add('above', { backing: 'below' });
    const blk = await open('above');
    const hooks = () =>
      ['above', 'below'].map((name) => {
        const { drainedBegin, drainedEnd } = probe(name).counters();
        return drainedBegin - drainedEnd;
      });
    await using second = new AioContext({ ...combinations[1], name: 'second' });
    const target = context().home === 'node' ? second : AioContext.main;
    for (const kind of kinds) {
      const section = await KINDS[kind]('above');
      const below = kind === 'node' ? 0 : 1;
      const parked = blk.pread(0, sector());
      await until(() => blk.parked === 1);
      await blk.setContext(target);
      expect([nodeOf('above').context, nodeOf('below').context]).toEqual([target, target]);
      expect([...quiesce('above', 'below'), blk.quiesceCount]).toEqual([1, below, 1]);
      expect(hooks()).toEqual([1, below]);
      expect([blk.parked, await isSettled(parked)]).toEqual([1, false]);
      const later = blk.pread(0, sector());
      await until(() => blk.parked === 2);
      section.end();
      expect(await Promise.all([parked, later])).toEqual([512, 512]);
      expect([...quiesce('above', 'below'), blk.quiesceCount, ...hooks()]).toEqual([0, 0, 0, 0, 0]);
      await blk.setContext(context());
    }
    await blk.close();
    for (const name of ['above', 'below']) await blockdevDel(name);
  });

  test('DRAIN-3: a change that was quiet waits again for what came in between', async () => {
    await add('old');
    await add('new');
    const blk = await open('old');
    const other = await open('new');
    // Its promise resolves in the same turn as that of the change, and before it.
    const first = blk.drained().then((section) => {
      void blk.getLength();
      section.end();
    });
    const replaced = blk.replaceRoot('new');
    await Promise.all([first, replaced]);
    expect(blk.root).toBe(other.root);
    await turn();
    expect([blk.quiesceCount, blk.inFlight]).toEqual([0, 0]);
    expect(lookupNode('', 'old').info().quiesce).toBe(0);
  });

  test('DRAIN-3: a change waits for what it brings under a section that was called quiet', async () => {
    await add('base');
    await add('middle', { backing: 'base' });
    await add('top');
    const user = await open('top');
    const busy = await open('base');
    await open('middle');
    const section = await drainedNode('top', { subtree: true });
    probe('base').hold('pread', 'kept');
    const read = busy.pread(0, sector());
    await until(() => busy.inFlight === 1);
    // middle and all above it are quiet; base, which comes under the section with it, is not.
    const change = setBackingFile('top', 'middle');
    await until(() => busy.quiesceCount === 1);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect([await isSettled(change), nodeOf('top').children.length]).toEqual([false, 0]);
    const later = busy.pread(512, sector());
    expect(busy.parked).toBe(1);
    probe('base').release('kept');
    await Promise.all([read, change]);
    // The change's own section has ended; the subtree's covers base now.
    expect([busy.quiesceCount, busy.inFlight, busy.parked]).toEqual([1, 0, 1]);
    expect([user.quiesceCount, ...quiesce('top', 'middle', 'base')]).toEqual([1, 1, 1, 1]);
    section.end();
    await later;
    expect([busy.quiesceCount, ...quiesce('top', 'middle', 'base')]).toEqual([0, 0, 0, 0]);
  });

  test('DRAIN-3: a backend that is made by the hook of a device joins the section in its middle', async () => {
    await add('node');
    const blk = await open('node');
    let made: BlockBackend | undefined;
    blk.setDeviceOps({
      drainedBegin() {
        made ??= new BlockBackend({ context: context() });
      },
    });
    const section = await drainedAll();
    expect(made?.quiesceCount).toBe(1);
    section.end();
    expect([made?.quiesceCount, blk.quiesceCount]).toEqual([0, 0]);
  });

  test('DRAIN-5: a section that a hook ends in its middle leaves no count behind', async () => {
    await add('node');
    const base = await open('node');
    await base.drainBegin();
    const upper = new BlockBackend({ context: context(), permissions: ['consistent-read'] });
    let armed = false;
    upper.setDeviceOps({
      drainedBegin() {
        if (armed) base.drainEnd();
        armed = false;
      },
    });
    const lower = await open('node');
    armed = true;
    void upper.drained().then((section) => section.end());
    await until(() => upper.quiesceCount === 0);
    expect([base, upper, lower].map((blk) => blk.quiesceCount)).toEqual([0, 0, 0]);
    expect(quiesce('node')).toEqual([0]);
  });
});
