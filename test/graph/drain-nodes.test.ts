// Sections that begin at nodes, at what is below them, or everywhere: quiesce counts and the hooks
// of drivers.
import {
  appendNode,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  type DrainSection,
  drainedAll,
  drainedNode,
  probe,
  replaceNode,
  setBackingFile,
} from '../../lib/index.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { isSettled, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);

/** How a section is begun at a node. */
const KINDS = {
  all: () => drainedAll(),
  node: (name: string) => drainedNode(name),
  subtree: (name: string) => drainedNode(name, { subtree: true }),
} as const;

const quiesce = (...names: string[]) => names.map((name) => nodeOf(name).info().quiesce);
/** Begins without their ends, as the drivers have counted them. */
const hooks = (...names: string[]) =>
  names.map((name) => probe(name).calls('drainedBegin') - probe(name).calls('drainedEnd'));
const counts = (...names: string[]) => ({ quiesce: quiesce(...names), hooks: hooks(...names) });

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });
  const open = (node: string) =>
    BlockBackend.open(node, {
      context: context(),
      permissions: ['consistent-read'],
      shared: ['consistent-read', 'write', 'write-unchanged', 'resize'],
    });

  /** A backend on top, which stands on backing. */
  const openChain = async () => {
    await add('backing');
    await add('top', { backing: 'backing' });
    return open('top');
  };

  /** A read of the backend that its node holds back; `release` lets it go on. */
  const heldRead = async (blk: BlockBackend, node: string) => {
    const order: string[] = [];
    probe(node).hold('pread', 'held');
    blk.aio.pread(0, Buffer.alloc(512), (_error, result) => order.push(`read ${result}`));
    await until(() => probe(node).held('held') === 1);
    return { order, release: () => probe(node).release('held') };
  };

  test('DRAIN-4: hooks of drivers end before devices hear of it; the next begin waits for all', async () => {
    const blk = await openChain();
    const seen: unknown[] = [];
    blk.setDeviceOps({
      drainedEnd: () => seen.push({ ...counts('top', 'backing'), device: blk.quiesceCount }),
    });
    const section = await drainedNode('backing');
    expect(counts('top', 'backing')).toEqual({ quiesce: [1, 1], hooks: [1, 1] });
    section.end();
    expect(seen).toEqual([{ quiesce: [0, 0], hooks: [0, 0], device: 0 }]);
    for (let round = 0; round < 50; round += 1) {
      const next = await drainedNode('backing');
      expect(hooks('top', 'backing')).toEqual([1, 1]);
      next.end();
    }
    expect(counts('top', 'backing')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
  });

  test('DRAIN-6: hooks are called once per section and node: nesting 2 deep gives 2', async () => {
    await openChain();
    const before = probe('top').calls('drainedBegin');
    const outer = await drainedNode('top');
    const inner = await drainedNode('top');
    expect(counts('top', 'backing')).toEqual({ quiesce: [2, 0], hooks: [2, 0] });
    inner.end();
    expect(hooks('top')).toEqual([1]);
    outer.end();
    expect(hooks('top')).toEqual([0]);
    // Two ways lead from shared to root: one section is one call all the same.
    await add('shared');
    await add('left', { file: 'shared', 'read-only': true });
    await add('right', { file: 'shared', 'read-only': true });
    const roles = { left: 'data', right: 'data' };
    await add('root', { roles, left: 'left', right: 'right', 'read-only': true });
    const section = await drainedNode('shared');
    expect(counts('shared', 'left', 'right', 'root')).toEqual({
      quiesce: [1, 1, 1, 1],
      hooks: [1, 1, 1, 1],
    });
    section.end();
    expect(hooks('shared', 'left', 'right', 'root')).toEqual([0, 0, 0, 0]);
    expect(probe('top').calls('drainedBegin')).toBe(before + 2);
  });

  test.each([
    ['node', [1, 0]],
    ['subtree', [1, 1]],
    ['all', [1, 1]],
  ] as const)('DRAIN-7: hook counts of top and backing in a section: %s', async (kind, inside) => {
    const blk = await openChain();
    const section = await KINDS[kind]('top');
    expect(counts('top', 'backing')).toEqual({ quiesce: inside, hooks: inside });
    section.end();
    expect(counts('top', 'backing')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
    // With a request in flight: its callback has run when begin is through.
    const { order, release } = await heldRead(blk, 'top');
    const begun = KINDS[kind]('top').then((second) => {
      order.push('quiet');
      return second;
    });
    expect(counts('top', 'backing')).toEqual({ quiesce: inside, hooks: inside });
    expect(await isSettled(begun)).toBe(false);
    expect(release()).toBe(1);
    const second = await begun;
    expect(order).toEqual(['read 512', 'quiet']);
    expect([blk.inFlight, nodeOf('top').info().inFlight]).toEqual([0, 0]);
    expect(counts('top', 'backing')).toEqual({ quiesce: inside, hooks: inside });
    second.end();
    expect(counts('top', 'backing')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
  });

  test.each([
    ['node', [1, 0]],
    ['subtree', [1, 1]],
    ['all', [1, 1]],
  ] as const)('DRAIN-8: begun and ended inside callbacks of requests: %s', async (kind, inside) => {
    const blk = await openChain();
    const section = await new Promise<DrainSection>((resolve) => {
      blk.aio.pread(0, Buffer.alloc(512), () => {
        const begun = KINDS[kind]('top');
        expect(counts('top', 'backing')).toEqual({ quiesce: inside, hooks: inside });
        resolve(begun);
      });
    });
    expect([blk.inFlight, ...quiesce('top', 'backing')]).toEqual([0, ...inside]);
    const parked = blk.pread(0, Buffer.alloc(512));
    await until(() => blk.parked === 1);
    // Another backend's callback ends it.
    await using other = new BlockBackend({ context: context() });
    if (kind === 'all') other.requestQueueing = false;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        section.end();
        expect(counts('top', 'backing')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
        resolve();
      };
      if (kind === 'all') other.aio.abortRequest(0, end);
      else other.aio.flush(end);
    });
    expect(await parked).toBe(512);
  });

  test('DRAIN-9: nine nestings of all, node and subtree', async () => {
    await openChain();
    const names = ['all', 'node', 'subtree'] as const;
    for (const outer of names) {
      for (const inner of names) {
        const first = await KINDS[outer]('top');
        const second = await KINDS[inner]('top');
        const below = Number(outer !== 'node') + Number(inner !== 'node');
        expect(counts('top', 'backing')).toEqual({ quiesce: [2, below], hooks: [2, below] });
        second.end();
        expect(quiesce('top', 'backing')).toEqual([1, Number(outer !== 'node')]);
        first.end();
        expect(counts('top', 'backing')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
      }
    }
  });

  test('DRAIN-10: subtree sections of two nodes that share a backing file', async () => {
    await add('c');
    await add('a', { backing: 'c' });
    await add('b', { backing: 'c' });
    const users = [await open('a'), await open('b')];
    const users2 = () => users.map((blk) => blk.quiesceCount);
    const all = (count: number) => {
      expect(counts('a', 'b', 'c')).toEqual({
        quiesce: [count, count, count],
        hooks: [count, count, count],
      });
      expect(users2()).toEqual([count, count]);
    };
    const ofA = await drainedNode('a', { subtree: true });
    all(1);
    const ofB = await drainedNode('b', { subtree: true });
    all(2);
    ofB.end();
    all(1);
    ofA.end();
    all(0);
  });

  test('DRAIN-11: attaching and detaching a node in subtree sections of both sides', async () => {
    await add('c');
    await add('a', { backing: 'c' });
    await add('b');
    await open('a');
    await open('b');
    const sections: DrainSection[] = [];
    for (const name of ['a', 'a', 'a', 'b', 'b']) {
      sections.push(await drainedNode(name, { subtree: true }));
    }
    const expected = (a: number, b: number, c: number) =>
      expect(counts('a', 'b', 'c')).toEqual({ quiesce: [a, b, c], hooks: [a, b, c] });
    expected(3, 2, 3);
    await setBackingFile('b', 'c');
    expected(5, 5, 5);
    await setBackingFile('b', null);
    expected(3, 2, 3);
    await setBackingFile('b', 'c');
    expected(5, 5, 5);
    for (const section of sections) section.end();
    expected(0, 0, 0);
  });

  test('DRAIN-32: an overlay that is appended to a drained base joins its section', async () => {
    await add('base');
    await add('overlay');
    const blk = await open('base');
    const section = await drainedNode('base');
    await appendNode('overlay', 'base');
    expect(blk.root).toBe(nodeOf('overlay'));
    expect(counts('overlay', 'base')).toEqual({ quiesce: [1, 1], hooks: [1, 1] });
    const inFlight = ['overlay', 'base'].map((name) => nodeOf(name).info().inFlight);
    expect([...inFlight, blk.inFlight]).toEqual([0, 0, 0]);
    section.end();
    expect(counts('overlay', 'base')).toEqual({ quiesce: [0, 0], hooks: [0, 0] });
    expect(await blk.pread(0, sector)).toBe(512);
    await replaceNode('overlay', 'base');
  });

  test('DRAIN-34: a backend that is put on a drained node first ends its requests on the old one', async () => {
    await add('old');
    await add('new');
    const blk = await open('old');
    const drained = await drainedNode('new');
    const { order, release } = await heldRead(blk, 'old');
    const replaced = blk.replaceRoot('new').then(() => order.push('replaced'));
    expect(await isSettled(replaced)).toBe(false);
    expect(blk.root).toBe(nodeOf('old'));
    release();
    await replaced;
    expect(order).toEqual(['read 512', 'replaced']);
    expect([probe('old').calls('pread'), probe('new').calls('pread')]).toEqual([1, 0]);
    expect([blk.quiesceCount, ...quiesce('old', 'new')]).toEqual([1, 0, 1]);
    const later = blk.pread(0, sector);
    expect(await isSettled(later)).toBe(false);
    expect(blk.parked).toBe(1);
    drained.end();
    expect(await later).toBe(512);
    expect([probe('old').calls('pread'), probe('new').calls('pread')]).toEqual([1, 1]);
  });

  test('DRAIN-34: a node that gets a drained child first ends its own requests', async () => {
    await add('new');
    await add('old');
    await add('top', { backing: 'old' });
    const blk = await open('top');
    const drained = await drainedNode('new');
    const { order, release } = await heldRead(blk, 'old');
    const replaced = setBackingFile('top', 'new').then(() => order.push('replaced'));
    expect(await isSettled(replaced)).toBe(false);
    release();
    await replaced;
    expect(order).toEqual(['read 512', 'replaced']);
    expect([probe('old').calls('pread'), probe('new').calls('pread')]).toEqual([1, 0]);
    expect([blk.quiesceCount, ...quiesce('top', 'old', 'new')]).toEqual([1, 1, 0, 1]);
    drained.end();
    expect([blk.quiesceCount, ...quiesce('top', 'old', 'new')]).toEqual([0, 0, 0, 0]);
  });

  test('DRAIN-35: detaching ends the sections that came through the edge, once it is gone', async () => {
    await add('base');
    await add('top', { backing: 'base' });
    const blk = await open('top');
    const seen: (string | undefined)[] = [];
    const sections = [await drainedNode('base'), await drainedNode('top'), await drainedAll()];
    sections.push(await drainedNode('base'));
    expect([blk.quiesceCount, ...quiesce('top', 'base')]).toEqual([4, 4, 3]);
    blk.setDeviceOps({ drainedEnd: () => seen.push(blk.root?.name) });
    await setBackingFile('top', null);
    // Those of base came through the edge; that of top and the one over all did not.
    expect([blk.quiesceCount, ...quiesce('top', 'base')]).toEqual([2, 2, 3]);
    expect(hooks('top', 'base')).toEqual([2, 3]);
    await blk.remove();
    expect([blk.quiesceCount, ...quiesce('top', 'base')]).toEqual([1, 2, 3]);
    expect(seen).toEqual([]);
    sections[2]?.end();
    expect([blk.quiesceCount, ...quiesce('top', 'base')]).toEqual([0, 1, 2]);
    expect(seen).toEqual([undefined]);
    for (const section of [sections[0], sections[1], sections[3]]) section?.end();
    expect([...quiesce('top', 'base'), ...hooks('top', 'base')]).toEqual([0, 0, 0, 0]);
  });

  test('DRAIN-35: what a device hears when its medium leaves: the medium has gone', async () => {
    await add('base');
    const blk = await open('base');
    const seen: string[] = [];
    blk.setDeviceOps({
      drainedBegin: () => seen.push(`begin on ${blk.root?.name}`),
      drainedEnd: () => seen.push(`end on ${blk.root?.name}`),
    });
    const section = await drainedNode('base');
    await blk.remove();
    expect(seen).toEqual(['begin on base', 'end on undefined']);
    expect([blk.quiesceCount, ...quiesce('base')]).toEqual([0, 1]);
    section.end();
  });
});
