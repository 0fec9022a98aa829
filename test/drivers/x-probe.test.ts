import { controlCall } from '../../lib/aio/control.js';
import { environment } from '../../lib/aio/environment.js';
import { Edge } from '../../lib/graph/edge.js';
import { AioContext, BlockBackend, type ProbeHook, ProbeJob, probe } from '../../lib/index.js';
import { runChild } from '../support/child.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf, codeThrown } from '../support/requests.js';
import { isSettled, turn, until } from '../support/waiting.js';

const CLUSTER = 65536;
const EVERYTHING = ['consistent-read', 'write', 'write-unchanged', 'resize'] as const;

onEveryEngineAndHome((context) => {
  const open = (options = {}, settings = {}) =>
    BlockBackend.open({ driver: 'x-probe', ...options }, { context: context(), ...settings });

  /** The probe on the backend's root, or on the child of that name. */
  const at = (blk: BlockBackend, child?: string) => {
    const node = blk.root;
    const below = node?.children.find(({ edge }) => edge.name === child)?.edge.child;
    return probe((child === undefined ? node : below) ?? 'missing');
  };

  const content = async (blk: BlockBackend, offset: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes, '?');
    await blk.pread(offset, buffer);
    return buffer;
  };

  test('x-probe: without children it is memory, and counts what it is asked', async () => {
    await using blk = await open({ size: 4 * CLUSTER, discard: 'unmap' });
    expect(await blk.getLength()).toBe(4 * CLUSTER);
    await blk.pwrite(CLUSTER - 2, Buffer.from('abcd'));
    expect(await content(blk, CLUSTER - 3, 6)).toEqual(Buffer.from('\0abcd\0'));
    await blk.pwriteZeroes(0, CLUSTER);
    await blk.pdiscard(CLUSTER, CLUSTER);
    await blk.flush();
    expect(at(blk).counters()).toMatchObject({
      open: 1,
      close: 0,
      pread: 1,
      pwrite: 1,
      pwriteZeroes: 1,
      pdiscard: 1,
      flush: 1,
    });
    expect(at(blk).allocatedClusters).toBe(0);
  });

  test('x-probe: a list of permissions may be empty, and end with a comma', async () => {
    await using empty = await open({ size: CLUSTER, 'take.file': '' });
    await using trailing = await open({ size: CLUSTER, 'unshare.file': 'write, ' });
    expect(await empty.getLength()).toBe(CLUSTER);
    expect(await trailing.getLength()).toBe(CLUSTER);
  });

  test('x-probe: over a backing file it shows what it does not have itself', async () => {
    await using base = await open({ 'node-name': 'base', size: 2 * CLUSTER });
    await base.pwrite(0, Buffer.alloc(2 * CLUSTER, 'b'));
    await using top = await open({ backing: 'base', size: 4 * CLUSTER });
    await top.pwrite(10, Buffer.from('tt'));
    expect(await content(top, 8, 6)).toEqual(Buffer.from('bbttbb'));
    expect(await content(top, 2 * CLUSTER - 2, 4)).toEqual(Buffer.from('bb\0\0'));
    expect(await content(base, 8, 6)).toEqual(Buffer.from('bbbbbb'));
    expect(at(top).allocatedClusters).toBe(1);
  });

  test('x-probe: with a primary child it passes requests on', async () => {
    const file = { driver: 'x-probe', size: CLUSTER };
    await using blk = await open({ filter: true, file });
    expect(await blk.getLength()).toBe(CLUSTER);
    await blk.pwrite(0, Buffer.from('abcd'));
    expect(await content(blk, 0, 4)).toEqual(Buffer.from('abcd'));
    expect(at(blk, 'file').calls('pwrite')).toBe(1);
    expect(at(blk, 'file').calls('pread')).toBe(1);
    expect(blk.root?.children[0]?.edge.role).toBe(0x14); // filtered and primary
  });

  test('GRAPH-15: any children with any roles, and none where there is null', async () => {
    const child = { driver: 'null-co' };
    await using blk = await open({
      roles: { main: 'data,primary', log: 'metadata', under: 'cow', other: 'filtered' },
      main: child,
      log: child,
      under: null,
    });
    const roles = blk.root?.children.map(({ edge }) => [edge.name, edge.role]);
    expect(roles).toEqual([
      ['log', 0x02],
      ['main', 0x11],
    ]);
    await using usual = await open({ file: child, backing: child });
    expect(usual.root?.children.map(({ edge }) => [edge.name, edge.role])).toEqual([
      ['backing', 0x08],
      ['file', 0x13],
    ]);
  });

  test('x-probe: wrong options are refused', async () => {
    const wrong = [
      { filter: true },
      { roles: { file: 'main' } },
      { roles: { a: 'primary', b: 'primary' } },
      { roles: { file: 'data' }, backing: { driver: 'null-co' } },
      { roles: { file: null } },
      { take: { nobody: 'write' } },
      { unshare: { file: 'reading' } },
      { size: -1 },
      { fail: 'pread' },
      { 'request-alignment': 3 },
    ];
    for (const options of wrong) expect(await codeOf(open(options))).toBe('EINVAL');
    expect(await codeOf(open({ fail: 'open:13:1' }))).toBe('EACCES');
  });

  test('x-probe: held requests wait, and run in order when they are released', async () => {
    await using blk = await open();
    const node = at(blk);
    node.hold('pwrite', 'gate');
    const order: number[] = [];
    const writes = [1, 2, 3].map((number) =>
      blk.pwrite(0, Buffer.from([number])).then(() => order.push(number)),
    );
    await until(() => node.held('gate') === 3);
    expect([blk.inFlight, order.length]).toEqual([3, 0]);
    await blk.pread(0, Buffer.alloc(1));
    expect(node.release('gate')).toBe(3);
    await Promise.all(writes);
    expect(order).toEqual([1, 2, 3]);
    expect(await content(blk, 0, 1)).toEqual(Buffer.from([3]));
    await blk.pwrite(0, Buffer.from([4]));
    expect(node.release('gate')).toBe(0);
  });

  test('x-probe: a drained section waits for what is held', async () => {
    await using blk = await open();
    const node = at(blk);
    node.hold('flush', 'gate');
    await blk.pwrite(0, Buffer.from('x'));
    const flush = blk.flush();
    await until(() => node.held('gate') === 1);
    const drained = blk.drainBegin();
    expect(await isSettled(drained)).toBe(false);
    node.release('gate');
    await drained;
    blk.drainEnd();
    await flush;
  });

  test('x-probe: the next calls of a hook fail as they were told', async () => {
    await using blk = await open();
    const node = at(blk);
    node.failNext('pread', 'ENOSPC', 2);
    node.failNext('flush', -5);
    expect(await codeOf(blk.pread(0, Buffer.alloc(1)))).toBe('ENOSPC');
    expect(await codeOf(blk.pread(0, Buffer.alloc(1)))).toBe('ENOSPC');
    expect(await codeOf(blk.pread(0, Buffer.alloc(1)))).toBe('none');
    await blk.pwrite(0, Buffer.from('x'));
    expect(await codeOf(blk.flush())).toBe('EIO');
    expect(codeThrown(() => node.failNext('pread', 'ENOTHING'))).toBe('EINVAL');
    expect(codeThrown(() => node.failNext('pread', 5, -1))).toBe('EINVAL');
  });

  test('x-probe: limits come from options, and can be set later', async () => {
    await using blk = await open({ 'request-alignment': 4096, 'max-transfer': 8192 });
    const node = at(blk);
    expect(blk.root?.info()).toMatchObject({ requestAlignment: 4096, maxTransfer: 8192 });
    await blk.pwrite(0, Buffer.alloc(32768));
    expect(node.calls('pwrite')).toBe(4);
    await node.setLimits({ 'max-transfer': 16384, 'memory-alignment': 1024 });
    expect(blk.root?.info()).toMatchObject({
      requestAlignment: 4096,
      memoryAlignment: 1024,
      maxTransfer: 16384,
    });
    await blk.pwrite(0, Buffer.alloc(32768));
    expect(node.calls('pwrite')).toBe(6);
    expect(await codeOf(node.setLimits({ 'max-iov': 0 }))).toBe('EINVAL');
  });

  test('x-probe: it takes and unshares permissions beyond those of its roles', async () => {
    await using blk = await open({
      roles: { backing: 'cow' },
      take: { backing: 'write,resize' },
      unshare: { backing: 'write-unchanged' },
      backing: { driver: 'x-probe', 'read-only': false, 'node-name': 'taken' },
    });
    const edge = blk.root?.children[0]?.edge;
    expect(edge?.permissions).toBe(0x1 | 0x2 | 0x8);
    expect((edge?.shared ?? 0) & 0x4).toBe(0);
    const other = BlockBackend.open('taken', { permissions: ['write-unchanged'] });
    expect(await codeOf(other)).toBe('EPERM');
  });

  test('x-probe: commit moves what is allocated into the backing file', async () => {
    const backing = { driver: 'x-probe', 'read-only': false, size: CLUSTER };
    await using blk = await open({ take: { backing: 'write,resize' }, backing, size: 3 * CLUSTER });
    await blk.pwrite(5, Buffer.from('abc'));
    await blk.pwrite(3 * CLUSTER - 3, Buffer.from('xyz'));
    const node = at(blk);
    await node.commit();
    expect([node.allocatedClusters, node.calls('commit')]).toEqual([0, 1]);
    expect(at(blk, 'backing').allocatedClusters).toBe(2);
    expect(at(blk, 'backing').node.info().length).toBe(3 * CLUSTER);
    expect(await content(blk, 4, 5)).toEqual(Buffer.from('\0abc\0'));
    expect(await content(blk, 3 * CLUSTER - 4, 4)).toEqual(Buffer.from('\0xyz'));
    expect(blk.quiesceCount).toBe(0);
  });

  test('x-probe: a commit that may not write leaves everything where it is', async () => {
    await using blk = await open({ backing: { driver: 'x-probe' } });
    await blk.pwrite(0, Buffer.from('abc'));
    expect(await codeOf(at(blk).commit())).toBe('EPERM');
    expect(at(blk).allocatedClusters).toBe(1);
    await using alone = await open();
    expect(await codeOf(at(alone).commit())).toBe('ENOTSUP');
  });

  test('x-probe: its header is text of any length', async () => {
    await using blk = await open({ 'backing-filename': 'old.img', backing: null, note: 'a note' });
    const node = at(blk);
    expect([node.header, node.headerUpdates, node.note]).toEqual(['old.img', 0, 'a note']);
    for (const name of ['json:{"driver":"ä:b"}', '', 'x'.repeat(999)]) {
      node.header = name;
      expect(node.header).toBe(name);
    }
    expect(node.headerUpdates).toBe(3);
  });

  test('x-probe: of variable length, it is asked each time', async () => {
    await using blk = await open({ 'variable-length': true, size: CLUSTER });
    at(blk).setSize(2 * CLUSTER);
    expect(await blk.getLength()).toBe(2 * CLUSTER);
  });

  test('x-probe: it grows and shrinks, and what is new is zero', async () => {
    const backing = { driver: 'x-probe', size: 2 * CLUSTER, 'node-name': 'longer' };
    await using below = await open(backing);
    await below.pwrite(0, Buffer.alloc(2 * CLUSTER, 'b'));
    await using blk = await open({ backing: 'longer', size: CLUSTER }, { resize: true });
    await blk.truncate(2 * CLUSTER);
    expect(await content(blk, CLUSTER - 2, 4)).toEqual(Buffer.from('bb\0\0'));
    await blk.truncate(CLUSTER - 1);
    await blk.truncate(CLUSTER);
    expect(await content(blk, CLUSTER - 3, 2)).toEqual(Buffer.from('bb'));
  });

  test('x-probe: what is no x-probe, or closed, is refused', async () => {
    await using other = await BlockBackend.open({ driver: 'null-co', 'node-name': 'none' });
    expect(other.root?.name).toBe('none');
    expect(codeThrown(() => probe('none'))).toBe('EINVAL');
    expect(codeThrown(() => probe('nobody'))).toBe('EINVAL');
    const blk = await open();
    const node = at(blk);
    await blk.close();
    expect(codeThrown(() => node.calls('pread'))).toBe('ENOMEDIUM');
    expect(await codeOf(node.refresh())).toBe('ENOMEDIUM');
  });

  test('x-probe: the hooks of a changing graph are counted, and fail as told', async () => {
    await using blk = await open({ note: 'old' });
    const node = at(blk);
    const { handle } = node.node;
    const { binding, ring } = environment();
    const before = node.counters();
    expect(binding.nodeCheckPermissions(handle, 2, 9)).toBe(0);
    binding.nodeSettlePermissions(handle, true);
    expect(node.checkedPermissions).toEqual(['write']);
    expect(node.checkedShared).toEqual(['consistent-read', 'resize']);
    node.failNext('checkPermissions', 'EPERM');
    expect(binding.nodeCheckPermissions(handle, 2, 9)).toMatchObject({ errno: -1 });
    binding.nodeSettlePermissions(handle, false);

    const reopen = (note: string) =>
      controlCall(ring, (slot) => {
        binding.nodeReopenPrepare(slot, handle, { ...node.node.options, note }, false, false);
      });
    const section = await blk.drained();
    node.failNext('reopenPrepare', 'EBUSY');
    expect(await reopen('new')).toMatchObject({ errno: -16 });
    for (const commit of [false, true]) {
      expect(await reopen('new')).toBe(0);
      expect(binding.nodeReopenSettle(handle, commit)).toBe(0);
      expect(node.note).toBe(commit ? 'new' : 'old');
    }
    section.end();

    expect(await controlCall(ring, (slot) => binding.nodeInactivate(slot, handle))).toBe(0);
    expect(await controlCall(ring, (slot) => binding.nodeInvalidate(slot, handle))).toBe(0);
    const counted = node.counters();
    const more = Object.entries(counted).map(([hook, calls]) => [
      hook,
      calls - before[hook as ProbeHook],
    ]);
    expect(Object.fromEntries(more)).toMatchObject({
      checkPermissions: 2,
      setPermissions: 1,
      abortPermissions: 1,
      reopenPrepare: 3,
      reopenCommit: 1,
      reopenAbort: 1,
      inactivate: 1,
      invalidate: 1,
    });
  });

  test('x-probe: a job counts the sections over its nodes, and stands still in them', async () => {
    await using blk = await open({}, { shared: EVERYTHING });
    const job = new ProbeJob('mirror');
    const node = at(blk).node;
    const edge = new Edge(job, 'target', node, 0);
    job.edges.push(edge);
    node.parents.unshift(edge);
    job.busy = true;
    job.start();
    await until(() => job.progress > 2);
    const drained = blk.drainBegin();
    expect([job.pauseCount, job.begins, job.ends]).toEqual([1, 1, 0]);
    expect(await isSettled(drained)).toBe(false);
    const before = job.progress;
    await turn();
    expect(job.progress).toBe(before);
    // It is asked as soon as everything else is quiet, which an IOThread may take its time to be.
    await until(() => job.polls > 0);
    expect(await isSettled(drained)).toBe(false);
    const { polls } = job;
    job.busy = false;
    blk.kickDrain();
    await drained;
    expect(job.polls).toBeGreaterThan(polls);
    blk.drainEnd();
    expect([job.pauseCount, job.ends]).toEqual([0, 1]);
    await until(() => job.progress > before);
    job.stop();
    node.parents.splice(node.parents.indexOf(edge), 1);
    expect(job.describe()).toBe(`job 'mirror'`);
  });
});

test.each(['exits', 'terminated'])(
  'x-probe: a thread ends (%s) with requests held',
  async (how) => {
    for (const home of ['node', 'iothread']) {
      const args = [how, home];
      const ended = await runChild('drivers/x-probe-child.cjs', args, { exits: true, limit: 20 });
      expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
    }
  },
);

test('x-probe: in virtual time nothing runs before the clock moves', async () => {
  const context = new AioContext({ home: 'virtual' });
  const blk = await BlockBackend.open({ driver: 'x-probe' }, { context });
  const node = probe(blk.root ?? '');
  node.hold('pread', 'gate');
  const read = blk.pread(0, Buffer.alloc(512));
  await turn();
  expect(node.release('gate')).toBe(1);
  await context.advance(0);
  expect(await read).toBe(512);
  await blk.close();
  await context.close();
});
