// Event loops: who lives where, who moves with whom, and what becomes of requests meanwhile.
import { writeFileSync } from 'node:fs';
import { graph } from '../../lib/graph/graph.js';
import {
  AioContext,
  BlockBackend,
  type BlockNode,
  BlockUsageError,
  blockdevSnapshot,
  ProbeJob,
  probe,
  xBlockdevSetIothread,
} from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';
import { isSettled, until } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);

onEveryEngineAndHome((context) => {
  let other: AioContext;
  let count = 0;

  beforeAll(() => {
    other = new AioContext({ name: `other-${context().name}` });
  });

  afterEach(() => {
    expect([BlockBackend.all().length, graph().nodes.size]).toEqual([0, 0]);
  });

  afterAll(() => other.close());

  const empty = (settings = {}) => new BlockBackend({ context: context(), ...settings });
  const open = (options: object | string = fastDisk(), settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });
  const child = (node: BlockNode | undefined, name = 'file') =>
    node?.child(name)?.edge.child as BlockNode;
  const where = (...things: { readonly context: AioContext }[]) =>
    things.map((thing) => thing.context);
  const all = (length: number, at: AioContext) => new Array(length).fill(at);
  const image = () => {
    count += 1;
    return makeImage(folder, `${context().name}-${count}.img`, 65536);
  };
  /** Out of and into every kind of home: main, the one under test, another thread. */
  const tour = () => [other, AioContext.main, context(), other, context()];

  test('CTX-1: a backend with a medium is where its node is, whatever moves', async () => {
    await using blk = await open({ driver: 'raw', 'node-name': 'n', file: fastDisk() });
    await using named = await open('n', { name: 'd0' });
    const node = blk.root as BlockNode;
    expect(where(blk, named, node, child(node))).toEqual(all(4, context()));
    for (const to of tour()) {
      await blk.setContext(to);
      expect(where(blk, named, node, child(node))).toEqual(all(4, to));
      expect([await blk.pread(0, sector), named.preadSync(0, sector)]).toEqual([512, 512]);
    }
    await named.remove();
    await named.insert('n');
    expect(where(blk, named, node)).toEqual(all(3, context()));
  });

  test('CTX-2: an empty backend just remembers its context, and pulls the next node into it', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using blk = empty();
    for (const to of tour()) {
      await blk.setContext(to);
      expect(where(blk, node)).toEqual([to, AioContext.main]);
      expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
    }
    await blk.setContext(other);
    await blk.insert('n');
    expect(where(blk, node)).toEqual(all(2, other));
    expect(await blk.pread(0, sector)).toBe(512);
    await dropMonitorNode(node);
  });

  test('CTX-3: the whole connected graph moves, through parents and children, or nothing', async () => {
    await using blk = await open({
      driver: 'raw',
      file: { driver: 'raw', 'node-name': 'shared', file: fastDisk() },
    });
    await using sibling = await open({ driver: 'raw', file: 'shared' }, { name: 'd0' });
    const shared = child(blk.root);
    const nodes = [blk.root, shared, child(shared), sibling.root] as BlockNode[];
    await blk.setContext(other);
    expect(where(blk, sibling, ...nodes)).toEqual(all(6, other));
    sibling.setName('');
    await expect(blk.setContext(context())).rejects.toMatchObject({ code: 'EPERM' });
    expect(where(blk, sibling, ...nodes)).toEqual(all(6, other));
    expect([blk.quiesceCount, await blk.pread(0, sector)]).toEqual([0, 512]);
    sibling.setName('d0');
    await blk.setContext(context());
    expect(where(blk, sibling, ...nodes)).toEqual(all(6, context()));
  });

  test('CTX-3: a closed context takes nobody, and whoever was told that it goes hears that it stays', async () => {
    const gone = new AioContext();
    await gone.close();
    await using blk = await open({ driver: 'x-probe', 'node-name': 'p' });
    const calls: unknown[] = [];
    const attached = (to: AioContext) => calls.push(to);
    const detach = () => calls.push('detach');
    blk.addContextNotifier(attached, detach);
    await expect(blk.setContext(gone)).rejects.toBeInstanceOf(BlockUsageError);
    expect(calls).toEqual([]);
    // One that closes while the move waits for a request.
    const going = new AioContext();
    probe('p').hold('pread', 'gate');
    const read = blk.pread(0, sector);
    const moved = codeOf(blk.setContext(going));
    await until(() => blk.quiesceCount > 0);
    await going.close();
    probe('p').release('gate');
    expect([await moved, await read]).toEqual(['EBADF', 512]);
    expect([calls, blk.context, blk.quiesceCount]).toEqual([['detach', context()], context(), 0]);
    blk.removeContextNotifier(attached, detach);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test.each([
    { allow: false, name: '', device: false, moves: false },
    { allow: false, name: '', device: true, moves: false },
    { allow: false, name: 'd1', device: true, moves: false },
    { allow: false, name: 'd1', device: false, moves: true },
    { allow: true, name: '', device: false, moves: true },
    { allow: true, name: 'd1', device: true, moves: true },
  ])(
    'CTX-4: asked by the graph: allow $allow, name "$name", device $device: moves $moves',
    async (row) => {
      await using blk = await open(fastDisk({ 'node-name': 'n' }));
      await using asked = await open('n');
      asked.allowContextChange = row.allow;
      if (row.name !== '') asked.setName(row.name);
      if (row.device) asked.attachDevice({});
      const moved = blk.setContext(other);
      if (row.moves) await moved;
      else await expect(moved).rejects.toThrow('active block backend');
      expect(where(blk, asked)).toEqual(all(2, row.moves ? other : context()));
    },
  );

  test('CTX-5: a backend that moves itself is not asked', async () => {
    await using blk = await open();
    blk.attachDevice({}, 'ide0');
    for (const to of tour()) {
      await blk.setContext(to);
      expect(where(blk, blk.root as BlockNode)).toEqual(all(2, to));
    }
  });

  test('CTX-6: moving one image of blkverify moves the other and the node above, and back', async () => {
    const verify = await monitorNode({
      driver: 'blkverify',
      'node-name': 'verify',
      test: fastDisk({ 'node-name': 'a' }),
      raw: fastDisk({ 'node-name': 'b' }),
    });
    const nodes = [verify, child(verify, 'test'), child(verify, 'raw')];
    await using blk = await BlockBackend.open('a');
    for (const to of [context(), AioContext.main, other, AioContext.main]) {
      await blk.setContext(to);
      expect(where(blk, ...nodes)).toEqual(all(4, to));
    }
    await dropMonitorNode(verify);
  });

  test('CTX-7: in a diamond every node moves once', async () => {
    const side = (name: string) => ({
      driver: 'x-probe',
      'node-name': name,
      filter: true,
      file: 'base',
    });
    const reads = (name?: string) => ({ name, permissions: ['consistent-read'] });
    await using base = await open({ driver: 'x-probe', 'node-name': 'base' }, reads('d0'));
    await using left = await open(side('left'), reads('d1'));
    const roles = { file: 'data,primary', right: 'data' };
    await using blk = await open(
      { driver: 'x-probe', 'node-name': 'top', roles, file: 'left', right: side('right') },
      reads(),
    );
    const names = ['top', 'left', 'right', 'base'];
    const moves = () =>
      names.map((name) => [probe(name).calls('detachContext'), probe(name).calls('attachContext')]);
    let before = moves();
    for (const to of tour()) {
      await blk.setContext(to);
      expect(moves()).toEqual(before.map(([out = 0, into = 0]) => [out + 1, into + 1]));
      before = moves();
      expect(where(base, left, ...names.map((name) => probe(name).node))).toEqual(all(6, to));
    }
  });

  test('CTX-9: a new parent over a node is opened where the node lives', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'low' }));
    const over = { driver: 'raw', 'node-name': 'over', file: 'low' };
    await using above = await BlockBackend.open(over);
    expect(where(above, above.root as BlockNode, blk)).toEqual(all(3, context()));
    // Somebody who wants it elsewhere finds that the first one stays.
    expect(await codeOf(open({ driver: 'raw', file: 'low' }, { context: other }))).toBe('EPERM');
    expect(where(above, blk)).toEqual(all(2, context()));
  });

  test('CTX-10: a job goes on after each move, in the new loop', async () => {
    await using blk = await open({ driver: 'raw', file: fastDisk() });
    const job = new ProbeJob('job');
    await job.attach(blk.root as BlockNode);
    job.start();
    for (const [index, to] of tour().entries()) {
      await blk.setContext(to);
      const { progress } = job;
      await until(() => job.progress > progress + 3);
      expect([job.context, job.moves, job.pauseCount]).toEqual([to, index + 1, 0]);
    }
    expect(job.begins).toBeGreaterThanOrEqual(tour().length);
    job.stop();
    await job.detach();
  });

  test('CTX-11: requests under way end in the old loop, waiting ones run in the new', async () => {
    const options = fileOptions(image());
    await using blk = await open({
      driver: 'x-probe',
      'node-name': 'p',
      filter: true,
      file: options,
    });
    const gate = probe('p');
    const reads = (at: AioContext) => at.info().submitted.read;
    for (const to of tour()) {
      const from = blk.context;
      if (from === to) continue;
      const order: string[] = [];
      gate.hold('pwrite', 'gate');
      blk.aio.pwrite(0, sector, (_error, result) => order.push(`old ${result}`));
      await until(() => gate.held('gate') === 1);
      const before = [reads(from), reads(to)];
      blk.aio.pread(0, sector, () => order.push('read'));
      await until(() => reads(from) === (before[0] ?? 0) + 1);
      const moved = blk.setContext(to).then(() => order.push('moved'));
      await until(() => blk.quiesceCount > 0);
      for (let index = 0; index < 20; index += 1) {
        blk.aio.pread(index * 512, sector, (_error, result) => order.push(`${index}: ${result}`));
      }
      await until(() => blk.parked === 20);
      expect(await isSettled(moved)).toBe(false);
      gate.release('gate');
      await moved;
      await until(() => order.length === 23);
      expect([...order.slice(0, 2)].sort()).toEqual(['old 512', 'read']);
      expect(new Set(order.slice(2))).toEqual(
        new Set(['moved', ...Array.from({ length: 20 }, (_, index) => `${index}: 512`)]),
      );
      expect([reads(from), reads(to)]).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 20]);
    }
  });

  test('CTX-11: what waited for the move starts in order, ahead of what comes after it', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'p' });
    for (const to of tour()) {
      const order: number[] = [];
      const moved = blk.setContext(to);
      await until(() => blk.quiesceCount > 0 || blk.context === to);
      for (let index = 0; index < 50; index += 1) {
        blk.aio.pread(0, sector, () => order.push(index));
      }
      await moved;
      blk.aio.pread(0, sector, () => order.push(50));
      await blk.pread(0, sector);
      expect(order).toEqual(Array.from({ length: 51 }, (_, index) => index));
    }
  });

  test('CTX-11: hundreds of requests across many moves, none is lost', async () => {
    await using blk = await open(slowDisk(20_000));
    const results: Promise<number>[] = [];
    const moves: Promise<void>[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (const to of tour().slice(0, 3)) {
        results.push(blk.pread(0, sector), blk.pwrite(512, sector), blk.flush());
        moves.push(blk.setContext(to));
        results.push(blk.pread(1024, sector));
      }
      if (round % 3 === 0) await Promise.all(moves);
    }
    await Promise.all(moves);
    const values = await Promise.all(results);
    expect(values.filter((value) => value === 512)).toHaveLength(3 * 36);
    expect(values.filter((value) => value === 0)).toHaveLength(36);
    expect([blk.inFlight, blk.parked, blk.context]).toEqual([0, 0, context()]);
  });

  test('CTX-16: when the last user that kept it there goes, a node goes home to main', async () => {
    const node = await monitorNode({ driver: 'raw', 'node-name': 'n', file: fastDisk() });
    const low = child(node);
    const first = await open('n');
    await using second = await open('n');
    expect(where(node, low)).toEqual(all(2, context()));
    await first.close();
    expect(where(node, low)).toEqual(all(2, context()));
    // A job, and a backend that goes anywhere, do not keep it.
    const job = new ProbeJob('job');
    await job.attach(node);
    await using follower = await open('n', { context: undefined });
    follower.allowContextChange = true;
    await second.remove();
    expect(where(node, low, follower, job)).toEqual(all(4, AioContext.main));
    expect(second.context).toBe(context());
    // What refuses is no error: the node stays, and nobody hears of it.
    await second.insert('n');
    expect(where(node, follower)).toEqual(all(2, context()));
    await job.detach();
    await second.remove();
    expect(node.context).toBe(AioContext.main);
    await dropMonitorNode(node);
  });

  test('CTX-16: a drive that was put into a thread stays there when somebody else goes', async () => {
    await using drive = await open(fastDisk({ 'node-name': 'n' }), { name: 'd0' });
    const user = await open('n');
    await user.close();
    expect(where(drive, drive.root as BlockNode)).toEqual(all(2, context()));
  });

  test('CTX-16: the children of a node that is closed go home, too', async () => {
    const low = await monitorNode(fastDisk({ 'node-name': 'low' }));
    const blk = await open({ driver: 'raw', file: 'low' }, { context: undefined });
    await blk.setContext(other);
    expect(low.context).toBe(other);
    await blk.close();
    expect(low.context).toBe(AioContext.main);
    await using next = empty({ context: other });
    await next.insert('low');
    await next.replaceRoot((await keeper()).root as BlockNode);
    expect(low.context).toBe(AioContext.main);
    await dropMonitorNode(low);
    for (const each of BlockBackend.all()) await each.close();
  });

  const keeper = () => BlockBackend.open(fastDisk(), { context: other });

  test('CTX-17: devices in two loops on one node: the second is refused until the first has gone', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using one = empty();
    await using two = empty({ context: other });
    for (const blk of [one, two]) blk.attachDevice({});
    await one.insert('n');
    expect(await codeOf(two.insert('n'))).toBe('EPERM');
    expect(where(one, node, two)).toEqual([context(), context(), other]);
    await one.remove();
    await two.insert('n');
    expect(where(one, node, two)).toEqual([context(), other, other]);
    // An export, with its allow flag, follows the device.
    await two.remove();
    await using exported = await BlockBackend.open('n');
    exported.allowContextChange = true;
    await one.insert('n');
    expect(where(one, node, exported)).toEqual(all(3, context()));
    expect([await one.pread(0, sector), await exported.pread(0, sector)]).toEqual([512, 512]);
    await dropMonitorNode(node);
  });

  test('CTX-18: set-iothread needs force where a backend is, which may refuse all the same', async () => {
    const node = await monitorNode({ driver: 'raw', 'node-name': 'n', file: fastDisk() });
    const move = (iothread: AioContext | string | null, force?: boolean) =>
      codeOf(xBlockdevSetIothread({ 'node-name': 'n', iothread }, { force }));
    expect([await move(other.name), node.context]).toEqual(['none', other]);
    expect([await move(null), node.context]).toEqual(['none', AioContext.main]);
    expect([await move(context()), node.context, child(node).context]).toEqual([
      'none',
      context(),
      context(),
    ]);
    expect([await move('no such thread'), node.context]).toEqual(['ENOENT', context()]);
    await using blk = await open('n');
    expect([await move(other), node.context]).toEqual(['EBUSY', context()]);
    expect([await move(other, true), node.context]).toEqual(['EPERM', context()]);
    blk.setName('d0');
    expect([await move(other), node.context]).toEqual(['EBUSY', context()]);
    expect([await move(other, true), ...where(node, blk)]).toEqual(['none', other, other]);
    const unknown = xBlockdevSetIothread({ 'node-name': 'unknown', iothread: null });
    expect(await codeOf(unknown)).toBe('ENOENT');
    await dropMonitorNode(node);
  });

  test('CTX-19: synchronous forms give the right result and errno, wherever the node lives', async () => {
    await using blk = await open(fileOptions(image(), { discard: 'unmap' }), { resize: true });
    const pair = () => [Buffer.alloc(256), Buffer.alloc(256)];
    for (const to of tour()) {
      await blk.setContext(to);
      expect(blk.pwriteSync(0, Buffer.alloc(512, 'w'))).toBe(512);
      const read = Buffer.alloc(512);
      expect([blk.preadSync(0, read), read[511]]).toEqual([512, 'w'.charCodeAt(0)]);
      expect([blk.preadvSync(0, pair()), blk.pwritevSync(512, pair())]).toEqual([512, 512]);
      expect([blk.pwriteZeroesSync(0, 512), blk.pdiscardSync(0, 512)]).toEqual([0, 0]);
      expect([blk.truncateSync(131072), blk.getLengthSync(), blk.flushSync()]).toEqual([
        0, 131072, 0,
      ]);
      expect(codeThrown(() => blk.pwriteSync(0, sector, { compressed: true }))).toBe('ENOTSUP');
      const beyond = [
        () => blk.preadSync(-2, sector),
        () => blk.pwriteSync(-2, sector),
        () => blk.preadvSync(-2, pair()),
        () => blk.pwritevSync(-2, pair()),
        () => blk.pwriteZeroesSync(-2, 512),
        () => blk.pdiscardSync(-2, 512),
        () => blk.pwriteSync(-2, sector, { compressed: true }),
      ];
      expect(beyond.map(codeThrown)).toEqual(new Array(7).fill('EIO'));
      expect(codeThrown(() => blk.truncateSync(-2))).toBe('EINVAL');
      await blk.activate();
      expect(blk.truncateSync(65536)).toBe(0);
    }
  });

  test('CTX-19: vmstate and check are ENOTSUP, and a block status is found, wherever the node lives', async () => {
    await using blk = await open(fileOptions(image()));
    for (const to of tour()) {
      await blk.setContext(to);
      expect(codeThrown(() => blk.saveVmstateSync(0, sector))).toBe('ENOTSUP');
      expect(codeThrown(() => blk.loadVmstateSync(0, sector))).toBe('ENOTSUP');
      expect(codeThrown(() => blk.saveVmstateSync(-2, sector))).toBe('EIO');
      expect(codeThrown(() => blk.checkSync())).toBe('ENOTSUP');
      expect(blk.blockStatusSync(0, 512).bytes).toBe(512);
      expect(codeThrown(() => blk.blockStatusSync(-2, 512))).not.toBe('none');
    }
  });

  test('CTX-19: read-only: truncate gives EACCES, flush 0, wherever the node lives', async () => {
    const options = fileOptions(image(), { 'read-only': true });
    await using blk = await open(options, { resize: true });
    for (const to of tour()) {
      await blk.setContext(to);
      expect(codeThrown(() => blk.truncateSync(512))).toBe('EACCES');
      expect([blk.flushSync(), blk.preadSync(0, sector)]).toEqual([0, 512]);
    }
  });

  test('CTX-20: an external snapshot of a node in a thread: the overlay comes there, requests go on', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'base' }, { name: 'd0' });
    const overlay = await monitorNode({ driver: 'x-probe', 'node-name': 'top', size: 1 << 20 });
    await xBlockdevSetIothread({ 'node-name': 'top', iothread: context() });
    const requests = Array.from({ length: 20 }, () => blk.pwrite(0, sector));
    await blockdevSnapshot({ node: 'base', overlay: 'top' });
    requests.push(...Array.from({ length: 20 }, () => blk.pwrite(0, sector)));
    expect(await Promise.all(requests)).toEqual(all(40, 512 as never));
    expect(blk.root).toBe(overlay);
    expect(where(blk, overlay, child(overlay, 'backing'))).toEqual(all(3, context()));
    for (const to of tour()) {
      await blk.setContext(to);
      expect([await blk.pread(0, sector), overlay.context]).toEqual([512, to]);
    }
    await dropMonitorNode(overlay);
  });

  test('CTX-20: a busy backend with its file moves in and out of threads, mid-life, many times', async () => {
    const filename = image();
    writeFileSync(filename, Buffer.alloc(65536, 'x'));
    await using blk = await open({ driver: 'raw', file: fileOptions(filename) });
    let running = true;
    let done = 0;
    const guest = (async () => {
      const buffer = Buffer.alloc(4096);
      while (running) {
        await blk.pread((done % 16) * 4096, buffer);
        expect(buffer.equals(Buffer.alloc(4096, 'x'))).toBe(true);
        done += 1;
      }
    })();
    for (let round = 0; round < 4; round += 1) {
      for (const to of tour()) {
        await blk.setContext(to);
        const seen = done;
        await until(() => done > seen + 1);
      }
    }
    running = false;
    await guest;
  });
});
