// What happens to limits, and to requests that wait for them, when the graph changes.
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockdevSnapshot,
  probe,
  ThrottleGroup,
} from '../../lib/index.js';
import { Dispatches, MS, SECOND } from '../support/dispatches.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf } from '../support/requests.js';
import { turn, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);
const LIMITS = { 'iops-total': 10 };

let context: AioContext;
let dispatches: Dispatches;
beforeEach(() => {
  context = new AioContext({ home: 'virtual' });
  dispatches = new Dispatches(context);
});
afterEach(async () => {
  expect(ThrottleGroup.all().map(({ name }) => name)).toEqual([]);
  await context.close();
});

function throttle(blk: BlockBackend, group = 'g'): void {
  blk.ioLimitsEnable(group);
  blk.setIoLimits(LIMITS);
}

describe('media', () => {
  test('ATT-1: limits bear on a medium that comes later, in whatever context it lives', async () => {
    const thread = new AioContext({ home: 'iothread' });
    await using disk = await BlockBackend.open(fastDisk({ 'node-name': 'there' }), {
      context: thread,
    });
    const blk = new BlockBackend({ permissions: ['consistent-read'] });
    throttle(blk);
    blk.allowContextChange = true;
    await blk.insert('there');
    expect(blk.context).toBe(thread);
    const reads = Promise.all([1, 2, 3, 4].map(() => blk.pread(0, sector)));
    await until(() => blk.throttleInfo().read.throttled === 2);
    expect(await reads).toEqual([512, 512, 512, 512]);
    expect(disk.context).toBe(thread);
    await blk.close();
    await disk.close();
    await thread.close();
  });

  test('ATT-5: a backend on a node in two sections waits for no limit until both have ended', async () => {
    const disk = await BlockBackend.open(fastDisk({ 'node-name': 'n' }), { context });
    const blk = new BlockBackend({ context, permissions: ['consistent-read'] });
    throttle(blk);
    blk.requestQueueing = false;
    const sections = [await disk.drained(), await disk.drained()];
    await blk.insert('n');
    expect(blk.quiesceCount).toBe(2);
    dispatches.reads('free', blk, 5);
    await dispatches.advanceTo(0);
    sections.pop()?.end();
    dispatches.reads('free', blk, 5);
    await dispatches.advanceTo(0);
    sections.pop()?.end();
    dispatches.reads('waits', blk, 1);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('free')).toEqual(new Array(10).fill(0));
    expect(dispatches.timesOf('waits')).toEqual([900 * MS]);
    await blk.close();
    await disk.close();
  });

  test('ATT-8: throttled requests run at once when the medium is removed', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    throttle(blk);
    dispatches.reads('r', blk, 6);
    await turn();
    await blk.remove();
    expect(dispatches.times).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
    await blk.close();
  });

  test('ATT-9: group and limits stay when the medium goes and another comes', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    const other = await BlockBackend.open(fastDisk({ 'node-name': 'other' }), { context });
    throttle(blk);
    await blk.remove();
    expect([blk.throttleGroup?.name, blk.ioLimits?.['iops-total']]).toEqual(['g', 10]);
    await blk.insert('other');
    dispatches.reads('r', blk, 3);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.times).toEqual([0, 0, 100 * MS]);
    await blk.close();
    await other.close();
  });

  test('ATT-7: removal drains what is throttled, and then the backend is in nobody else’s way', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    const other = await BlockBackend.open(fastDisk(), { context });
    throttle(blk);
    throttle(other);
    dispatches.reads('removed', blk, 4);
    dispatches.reads('other', other, 1);
    await turn();
    await blk.remove();
    expect(blk.throttleInfo().read.waiting).toBe(0);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('removed')).toEqual([0, 0, 0, 0]);
    // Five were charged or wait; two fit in: (4 - 1) / 10 s.
    expect(dispatches.timesOf('other')).toEqual([300 * MS]);
    await blk.close();
    await other.close();
  });

  test('ATT-20: limits stay when the root is replaced', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    const other = await BlockBackend.open(fastDisk({ 'node-name': 'other' }), { context });
    throttle(blk);
    await blk.replaceRoot('other');
    expect([blk.throttleGroup?.name, blk.ioLimits?.['iops-total']]).toEqual(['g', 10]);
    dispatches.reads('r', blk, 3);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.times).toEqual([0, 0, 100 * MS]);
    await blk.close();
    await other.close();
  });

  test('GRAPH-29: limits stay on the backend when a snapshot puts an overlay below it', async () => {
    const node = { driver: 'x-probe', 'roles.file': 'data', 'roles.backing': 'cow' };
    const base = await BlockBackend.open({ driver: 'x-probe', 'node-name': 'base' });
    await blockdevAdd({ ...node, 'node-name': 'overlay', backing: null, file: fastDisk() });
    throttle(base);
    await blockdevSnapshot({ node: 'base', overlay: 'overlay' });
    expect([base.root?.name, base.throttleGroup?.name]).toEqual(['overlay', 'g']);
    const reads = [1, 2, 3].map(() => base.pread(0, sector));
    await until(() => base.throttleInfo().read.waiting === 1);
    await Promise.all(reads);
    await base.close();
    await blockdevDel('overlay');
  });

  test('LC-8: the end of a backend lets what waits go, and leaves its group first', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    const order: string[] = [];
    throttle(blk);
    for (let index = 0; index < 4; index += 1) {
      blk.aio.pread(0, sector, (_error, result) => order.push(`read ${result}`));
    }
    blk.addRemoveNotifier(() => order.push('removed'));
    await turn();
    await blk.close();
    expect(order).toEqual(['read 512', 'read 512', 'read 512', 'read 512', 'removed']);
    expect(ThrottleGroup.find('g')).toBeUndefined();
  });
});

describe('contexts', () => {
  test('CTX-15: throttled requests and their timers follow a backend that moves', async () => {
    const thread = new AioContext({ home: 'iothread' });
    const blk = await BlockBackend.open(fastDisk());
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'iops-total': 200 });
    const promises: Promise<number>[] = [];
    for (let round = 0; round < 6; round += 1) {
      for (let index = 0; index < 20; index += 1) promises.push(blk.pread(0, sector));
      await blk.setContext(round % 2 === 0 ? thread : AioContext.main);
    }
    const late = Array.from({ length: 10 }, () => blk.pread(0, sector));
    expect(await Promise.all([...promises, ...late])).toHaveLength(130);
    await blk.close();
    await thread.close();
  });
});

describe('requests', () => {
  test('RW-2: the check comes before the wait, and the write cache is asked after it', async () => {
    const blk = await BlockBackend.open({ driver: 'x-probe', 'node-name': 'p' }, { context });
    throttle(blk);
    dispatches.reads('r', blk, 2);
    await turn();
    dispatches.note('beyond', blk.pread(2 ** 40, sector));
    dispatches.note('write', blk.pwrite(0, sector));
    await dispatches.advanceTo(0);
    expect(dispatches.order).toBe('r r beyond EIO');
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('write')).toEqual([100 * MS]);
    await blk.close();
  });

  test('RW-3: a failed check is not charged', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    throttle(blk);
    for (let index = 0; index < 5; index += 1) {
      expect(await codeOf(blk.pread(2 ** 40, sector))).toBe('EIO');
    }
    expect(blk.throttleGroup?.info().buckets['iops-total'].level).toBe(0);
    await blk.close();
  });

  test('RW-4: switching the write cache off concerns writes that wait for their limit', async () => {
    const blk = await BlockBackend.open({ driver: 'x-probe', 'node-name': 'p' }, { context });
    throttle(blk);
    dispatches.reads('r', blk, 2);
    dispatches.note('write', blk.pwrite(0, sector));
    await turn();
    expect(blk.throttleInfo().write.waiting).toBe(1);
    const flushes = probe('p').calls('flush');
    blk.writeCache = false;
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('write')).toEqual([100 * MS]);
    // The driver knows no FUA, so a flush stands for it.
    expect(probe('p').calls('flush')).toBe(flushes + 1);
    await blk.close();
  });

  test('ZERO-1: a zero-write is throttled as a write of as many bytes', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'bps-write': 4096 });
    dispatches.note('zero', blk.pwriteZeroes(0, 4096));
    dispatches.note('zero', blk.pwriteZeroes(0, 4096));
    dispatches.reads('r', blk, 1, 4096);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('zero')).toEqual([0, 900 * MS]);
    expect(dispatches.timesOf('r')).toEqual([0]);
    await blk.close();
  });

  test('MISC-3: a compressed write is throttled as a write', async () => {
    const disk = { driver: 'x-probe', 'node-name': 'p', compress: true };
    const blk = await BlockBackend.open(disk, { context });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'bps-write': 4096 });
    const data = Buffer.alloc(4096, 'c');
    dispatches.note('write', blk.pwriteCompressed(0, data));
    dispatches.note('write', blk.pwriteCompressed(0, data));
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('write')).toEqual([0, 900 * MS]);
    expect(probe('p').calls('pwriteCompressed')).toBe(2);
    await blk.close();
  });

  test('COPY-7: a copy is not throttled', () =>
    goesOn((blk) => blk.copyRange(0, blk, 4096, 512).catch(() => 0)));
  test('DISC-1: a discard is not throttled', () => goesOn((blk) => blk.pdiscard(0, 4096)));
  test('FLUSH-10: a flush is not throttled', () => goesOn((blk) => blk.flush()));
  test('MISC-2: an ioctl is not throttled', () =>
    goesOn((blk) => blk.ioctl(0x1261).catch(() => 0)));
});

/** Nobody can be admitted for an hour, and it is done. */
async function goesOn(request: (blk: BlockBackend) => Promise<unknown>): Promise<void> {
  const blk = await BlockBackend.open(fastDisk(), { context });
  blk.ioLimitsEnable('g');
  blk.setIoLimits({ 'bps-total': 1 });
  dispatches.note('write', blk.pwrite(0, sector));
  dispatches.note('waits', blk.pwrite(0, sector));
  dispatches.note('free', request(blk));
  await dispatches.advanceTo(0);
  expect(dispatches.timesOf('free')).toEqual([0]);
  expect(blk.throttleInfo().write.waiting).toBe(1);
  await blk.close();
}
