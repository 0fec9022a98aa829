// What limits do to the requests of backends, in virtual time.
import {
  AioContext,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  probe,
  ThrottleGroup,
  type ThrottleLimits,
} from '../../lib/index.js';
import { Dispatches, MS, SECOND } from '../support/dispatches.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf } from '../support/requests.js';
import { turn } from '../support/waiting.js';

class Fixture implements AsyncDisposable {
  readonly context = new AioContext({ home: 'virtual' });
  readonly dispatches = new Dispatches(this.context);
  readonly #backends: BlockBackend[] = [];

  async disk(options: BlockdevOptions = fastDisk()): Promise<BlockBackend> {
    const blk = await BlockBackend.open(options, { context: this.context });
    this.#backends.push(blk);
    return blk;
  }

  async throttled(limits: ThrottleLimits, group = 'g'): Promise<BlockBackend> {
    const blk = await this.disk();
    blk.ioLimitsEnable(group);
    blk.setIoLimits(limits);
    return blk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const blk of this.#backends) await blk.close();
    await this.context.close();
  }
}

const sector = Buffer.alloc(512);

afterEach(() => {
  const left = ThrottleGroup.all();
  expect(left.map(({ name }) => name)).toEqual([]);
});

describe('when requests go on', () => {
  test('THR-18: a limit of 4096 bytes per second and requests as long', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    dispatches.reads('r', await fixture.throttled({ 'bps-total': 4096 }), 4, 4096);
    await dispatches.advanceTo(4 * SECOND);
    expect(dispatches.times).toEqual([0, 900 * MS, 1900 * MS, 2900 * MS]);
  });

  test('THR-20: two of ten a second at once, then one every 100 ms', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    dispatches.reads('r', await fixture.throttled({ 'iops-total': 10 }), 5);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.times).toEqual([0, 0, 100 * MS, 200 * MS, 300 * MS]);
  });

  test('TG-8: two members that share ten a second take turns', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const first = await fixture.throttled({ 'iops-total': 10 });
    const second = await fixture.throttled({ 'iops-total': 10 });
    for (let index = 0; index < 5; index += 1) {
      dispatches.reads('a', first, 1);
      dispatches.reads('b', second, 1);
    }
    await dispatches.advanceTo(SECOND);
    expect(dispatches.order).toBe('a b a b a b a b a b');
    expect(dispatches.times.slice(0, 4)).toEqual([0, 0, 100 * MS, 200 * MS]);
  });

  test('TG-10: N drives that share N times the limit get it each', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const drives = await Promise.all([1, 2, 3].map(() => fixture.throttled({ 'iops-total': 300 })));
    for (const [index, drive] of drives.entries()) dispatches.reads(`${index}`, drive, 2000);
    // After the burst that the first one takes.
    await dispatches.advanceTo(SECOND);
    const first = [0, 1, 2].map((index) => dispatches.timesOf(`${index}`).length);
    await dispatches.advanceTo(3 * SECOND);
    for (const index of [0, 1, 2]) {
      const count = dispatches.timesOf(`${index}`).length - (first[index] as number);
      expect(count).toBeGreaterThanOrEqual(200 * 0.9);
      expect(count).toBeLessThanOrEqual(200 * 1.1);
    }
  });

  test('TG-10: one busy drive of three gets all that they share', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const [busy] = await Promise.all([1, 2, 3].map(() => fixture.throttled({ 'iops-total': 300 })));
    if (busy === undefined) throw new Error('no drive');
    dispatches.reads('r', busy, 1000);
    await dispatches.advanceTo(SECOND);
    const before = dispatches.log.length;
    await dispatches.advanceTo(2 * SECOND);
    const alone = dispatches.log.length - before;
    expect(alone).toBeGreaterThanOrEqual(300 * 0.9);
    expect(alone).toBeLessThanOrEqual(300 * 1.1);
  });

  test('TG-24: time that passes without requests is not lost: it is no time of the machine', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 10 });
    dispatches.reads('r', blk, 2);
    await dispatches.advanceTo(0);
    // Nothing runs here; the buckets leak all the same.
    await fixture.context.advance(200 * MS);
    dispatches.reads('r', blk, 3);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.times).toEqual([0, 0, 200 * MS, 200 * MS, 300 * MS]);
  });
});

describe('which requests', () => {
  test('TG-23: reads, writes and zero-writes are charged, discards, flushes and truncates are not', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.throttled({ 'iops-total': 1000 });
    const level = (): number => {
      const { buckets } = blk.throttleGroup?.info() ?? {};
      return buckets?.['iops-total'].level ?? Number.NaN;
    };
    const levelAfter = async (request: Promise<unknown>): Promise<number> => {
      await request.catch(() => {});
      return level();
    };
    expect(await levelAfter(blk.pread(0, sector))).toBe(1);
    expect(await levelAfter(blk.pwrite(0, sector))).toBe(2);
    expect(await levelAfter(blk.pwriteZeroes(0, 512))).toBe(3);
    expect(await levelAfter(blk.pdiscard(0, 512))).toBe(3);
    expect(await levelAfter(blk.flush())).toBe(3);
    expect(await levelAfter(blk.truncate(1 << 20))).toBe(3);
    expect(await levelAfter(blk.ioctl(0x1261))).toBe(3);
  });

  test('TG-22: a request that fails stays charged', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk({
      driver: 'x-probe',
      'node-name': 'failing',
    });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'iops-total': 10 });
    probe('failing').failNext('pread', 'EIO');
    await expect(blk.pread(0, sector)).rejects.toMatchObject({ code: 'EIO' });
    expect(blk.throttleGroup?.info().buckets['iops-total'].level).toBe(1);
  });

  test('RW-5: an unthrottled read does not wait, and is not charged', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 10 });
    dispatches.reads('r', blk, 3);
    dispatches.note('u', blk.preadUnthrottled(0, sector));
    await dispatches.advanceTo(SECOND);
    expect(dispatches.order).toBe('r r u r');
    expect(dispatches.times).toEqual([0, 0, 0, 100 * MS]);
    await expect(blk.preadUnthrottled(1 << 20, sector)).rejects.toMatchObject({ code: 'EIO' });
  });

  test('TG-21: who waits is counted, and a drained section lets it go', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 10 });
    dispatches.reads('r', blk, 5);
    await turn();
    expect(blk.inFlight).toBe(3);
    expect(blk.throttleInfo().read).toMatchObject({ waiting: 3, throttled: 3, 'throttled-ns': 0 });
    const section = await blk.drained();
    expect(dispatches.times).toEqual([0, 0, 0, 0, 0]);
    expect([blk.inFlight, blk.parked, blk.throttleInfo().read.waiting]).toEqual([0, 0, 0]);
    section.end();
  });

  test('DRAIN-19: in a section nobody waits, but all are charged', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 10 });
    dispatches.reads('r', blk, 5);
    (await blk.drained()).end();
    dispatches.reads('late', blk, 1);
    await dispatches.advanceTo(SECOND);
    // Five were charged, two fit in at once: (5 - 1) / 10 s.
    expect(dispatches.timesOf('late')).toEqual([400 * MS]);
  });

  test('throttle: a request whose signal is aborted leaves its queue uncharged', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 10 });
    dispatches.reads('r', blk, 2);
    const controller = new AbortController();
    dispatches.note('gone', blk.pread(0, sector, { signal: controller.signal }));
    dispatches.reads('last', blk, 1);
    await turn();
    controller.abort();
    await dispatches.advanceTo(SECOND);
    expect(dispatches.log).toEqual([
      { name: 'r', when: 0 },
      { name: 'r', when: 0 },
      { name: 'gone ABORT_ERR', when: 0 },
      { name: 'last', when: 100 * MS },
    ]);
  });
});

describe('members', () => {
  test('TG-17: another group brings its own limits and levels; without throttling nothing happens', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const idle = await fixture.disk();
    await idle.ioLimitsUpdateGroup('elsewhere');
    expect(ThrottleGroup.find('elsewhere')).toBeUndefined();
    const other = new ThrottleGroup('other', { 'iops-total': 100 });
    const blk = await fixture.throttled({ 'iops-total': 10 });
    const group = blk.throttleGroup;
    await blk.ioLimitsUpdateGroup('g');
    expect(blk.throttleGroup).toBe(group);
    dispatches.reads('r', blk, 4);
    await turn();
    await blk.ioLimitsUpdateGroup('other');
    expect(blk.throttleGroup).toBe(other);
    expect(blk.ioLimits).toMatchObject({ 'iops-total': 100 });
    expect(other.info().buckets['iops-total'].level).toBe(0);
    dispatches.reads('late', blk, 12);
    await dispatches.advanceTo(SECOND);
    expect(dispatches.timesOf('late')).toEqual([...new Array(11).fill(0), 10 * MS]);
    await blk.ioLimitsDisable();
    other.delete();
  });

  test('TG-18: enabling twice and disabling what is not enabled are refused', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk();
    const usage = { code: 'ERR_BLOCK_USAGE' };
    await expect(blk.ioLimitsDisable()).rejects.toMatchObject(usage);
    expect(() => blk.setIoLimits({})).toThrow(expect.objectContaining(usage));
    blk.ioLimitsEnable('g');
    expect(() => blk.ioLimitsEnable('g')).toThrow(expect.objectContaining(usage));
    expect(() => blk.ioLimitsEnable('h')).toThrow(expect.objectContaining(usage));
    expect(ThrottleGroup.all().map(({ name }) => name)).toEqual(['g']);
  });

  test('TG-19: it lets go in a drained section, of which a backend without a medium needs none', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const told: string[] = [];
    const blk = await fixture.throttled({ 'iops-total': 10 });
    blk.setDeviceOps({
      drainedBegin: () => told.push('begin'),
      drainedEnd: () => told.push('end'),
    });
    dispatches.reads('r', blk, 4);
    await turn();
    await blk.ioLimitsDisable();
    expect(told).toEqual(['begin', 'end']);
    expect(dispatches.times).toEqual([0, 0, 0, 0]);
    await blk.remove();
    told.length = 0;
    blk.ioLimitsEnable('g');
    await blk.ioLimitsDisable();
    expect(told).toEqual([]);
  });

  test('TG-19: without a medium it lets go while requests are being refused', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.throttled({ 'iops-total': 10 });
    await blk.remove();
    for (const leave of [() => blk.ioLimitsUpdateGroup('h'), () => blk.ioLimitsDisable()]) {
      const refused = codeOf(blk.pread(0, sector));
      await leave();
      expect(await refused).toBe('ENOMEDIUM');
    }
    expect(blk.throttleGroup).toBeUndefined();
  });

  test('TG-12: other limits bear on who waits at once, and on nobody twice', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 1 });
    dispatches.reads('r', blk, 3);
    await dispatches.advanceTo(100 * MS);
    expect(dispatches.times).toEqual([0]);
    blk.setIoLimits({ 'iops-total': 1000 });
    await dispatches.advanceTo(200 * MS);
    expect(dispatches.times).toEqual([0, 100 * MS, 100 * MS]);
  });

  test('throttle: the same limit set ten times a second changes nothing', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.throttled({ 'iops-total': 1 });
    dispatches.reads('r', blk, 8);
    for (let at = 0; at < 50; at += 1) {
      blk.setIoLimits({ 'iops-total': 1 });
      await dispatches.advanceTo(at * 100 * MS);
    }
    expect(dispatches.times).toEqual([0, 900 * MS, 1900 * MS, 2900 * MS, 3900 * MS, 4900 * MS]);
  });

  test('TQ-16: limits of a backend and of a filter below it both bear on a request', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const filter = new ThrottleGroup('filter', { 'iops-total': 10 });
    const blk = await fixture.disk({
      driver: 'throttle',
      'throttle-group': 'filter',
      file: fastDisk(),
    });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'bps-total': 5120 });
    dispatches.reads('r', blk, 3, 512);
    await dispatches.advanceTo(SECOND);
    // 512 bytes fit in at once: the second waits nothing, the third for (1024 - 512) / 5120 s.
    expect(dispatches.times).toEqual([0, 0, 100 * MS]);
    filter.update({ 'iops-total': 1 });
    dispatches.reads('s', blk, 2, 512);
    await dispatches.advanceTo(10 * SECOND);
    expect(dispatches.timesOf('s')).toEqual([1000 * MS, 1900 * MS]);
    await blk.close();
    filter.delete();
  });
});

describe('the throttle driver', () => {
  test('TQ-14: it needs its group, charges discards as writes, and not flushes', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const options = { driver: 'throttle', 'throttle-group': 'f', file: fastDisk() };
    await expect(fixture.disk(options)).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining("the throttle group 'f' does not exist"),
    });
    const group = new ThrottleGroup('f', { 'bps-write': 65536 });
    const blk = await fixture.disk({
      ...options,
      discard: 'unmap',
      file: { driver: 'x-probe', size: 1 << 20 },
    });
    const data = Buffer.alloc(65536);
    dispatches.note('write', blk.pwrite(0, data));
    dispatches.note('zero', blk.pwriteZeroes(65536, 65536));
    dispatches.note('discard', blk.pdiscard(0, 65536));
    dispatches.note('flush', blk.flush());
    dispatches.note('last', blk.pwrite(0, data));
    await dispatches.advanceTo(5 * SECOND);
    expect(dispatches.timesOf('last')).toEqual([2900 * MS]);
    expect(dispatches.timesOf('flush')).toEqual([0]);
    await blk.close();
    group.delete();
  });

  test('TQ-14: compressed writes are charged as writes, and stay compressed below the filter', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const group = new ThrottleGroup('f', { 'bps-write': 65536 });
    const blk = await fixture.disk({
      driver: 'throttle',
      'throttle-group': 'f',
      file: { driver: 'x-probe', 'node-name': 'p', compress: true },
    });
    const data = Buffer.alloc(65536);
    for (let index = 0; index < 3; index += 1) {
      dispatches.note('compressed', blk.pwriteCompressed(index * 65536, data));
    }
    dispatches.note('last', blk.pwrite(0, data));
    await dispatches.advanceTo(5 * SECOND);
    // As for three plain writes: the bucket holds a tenth of a second.
    expect(dispatches.timesOf('last')).toEqual([2900 * MS]);
    expect(probe('p').counters()).toMatchObject({ pwriteCompressed: 3, pwrite: 1 });
    await blk.close();
    group.delete();
  });

  test('throttle: a section over the filter lets go what waits in it', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const group = new ThrottleGroup('f', { 'iops-total': 10 });
    const blk = await fixture.disk({ driver: 'throttle', 'throttle-group': 'f', file: fastDisk() });
    dispatches.reads('r', blk, 5);
    (await blk.drained()).end();
    expect(dispatches.times).toEqual([0, 0, 0, 0, 0]);
    expect(group.info().buckets['iops-total'].level).toBe(5);
    await blk.close();
    group.delete();
  });

  test('throttle: a node that is closed has left its group', async () => {
    const group = new ThrottleGroup('f');
    await blockdevAdd({
      driver: 'throttle',
      'node-name': 'filter',
      'throttle-group': 'f',
      file: fastDisk(),
    });
    expect(group.info().members).toBe(1);
    await blockdevDel('filter');
    expect(group.info().members).toBe(0);
    group.delete();
  });
});
