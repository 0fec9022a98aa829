// Statistics of a backend in virtual time: a null disk takes its latency to the nanosecond.
import {
  AioContext,
  BlockBackend as Backend,
  type BackendSettings,
  type BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  createDrive,
  probe,
} from '../../lib/index.js';
import { scratchFolder } from '../support/matrix.js';
import { openVirtual, slowDisk } from '../support/null-disk.js';
import { codeOf, codeThrown, inVirtualTime, makeImage } from '../support/requests.js';

const MS = 1_000_000;
const SECOND = 1000 * MS;
const folder = scratchFolder();

/** A disk of which every request takes 1 ms. */
async function withDisk(
  settings: BackendSettings,
  body: (blk: BlockBackend, context: AioContext) => Promise<void>,
  options: BlockdevOptions = slowDisk(MS),
): Promise<void> {
  const { context, blk } = await openVirtual(options, { accountRequests: true, ...settings });
  try {
    await body(blk, context);
  } finally {
    // What was written is flushed, which takes its time.
    await inVirtualTime(context, blk.close());
    await context.close();
  }
}

/** An x-probe disk in whose driver requests wait until they are let go, `latency` ns later. */
async function withProbe(
  settings: BackendSettings,
  body: (
    blk: BlockBackend,
    run: (request: () => Promise<unknown>, fails: boolean, latency?: number) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const options = { driver: 'x-probe', 'node-name': 'probed', size: 16 << 20 };
  await withDisk(
    settings,
    async (blk, context) => {
      const hooks = ['pread', 'pwrite', 'flush'] as const;
      await body(blk, async (request, fails, latency = MS) => {
        for (const hook of hooks) {
          probe('probed').hold(hook, 'latency');
          if (fails) probe('probed').failNext(hook, 'EIO');
        }
        const ended = request().then(
          () => false,
          () => true,
        );
        await context.advance(latency);
        probe('probed').release('latency');
        await context.advance(0);
        expect(await ended).toBe(fails);
        for (const hook of hooks) probe('probed').failNext(hook, 'EIO', 0);
      });
    },
    options,
  );
}

test('ACCT-1: a synchronous request is not accounted, an asynchronous one is', async () => {
  await withDisk({}, async (blk, context) => {
    const data = Buffer.alloc(512);
    blk.preadSync(0, data);
    expect(blk.stats.rd_operations).toBe(0);
    await inVirtualTime(context, blk.pread(0, data));
    expect(blk.stats).toMatchObject({ rd_operations: 1, rd_bytes: 512 });
    await inVirtualTime(context, blk.pread(0, data, { account: false }));
    expect(blk.stats.rd_operations).toBe(1);
    blk.accountRequests = false;
    await inVirtualTime(context, blk.pread(0, data));
    expect(blk.stats.rd_operations).toBe(1);
    await inVirtualTime(context, blk.pread(0, data, { account: true }));
    expect(blk.stats.rd_operations).toBe(2);
    await inVirtualTime(context, blk.pread(0, data, { account: 'write' }));
    expect(blk.stats).toMatchObject({ rd_operations: 2, wr_operations: 1, wr_bytes: 512 });
    const wrong = { account: 'other' as 'read' };
    expect(await codeOf(blk.pread(0, data, wrong))).toBe('ERR_INVALID_ARG_VALUE');
  });
});

test('ACCT-2: a cookie is accounted once, with the time of its backend', async () => {
  await withDisk({ 'stats-intervals': [10] }, async (blk, context) => {
    const { accounting } = blk;
    const cookie = accounting.start('write', 1000);
    await context.advance(7 * MS + 1);
    accounting.done(cookie);
    await context.advance(5);
    accounting.done(cookie);
    accounting.failed(cookie);
    expect(blk.stats).toMatchObject({
      wr_operations: 1,
      wr_bytes: 1000,
      wr_total_time_ns: 7 * MS + 1,
      failed_wr_operations: 0,
      idle_time_ns: 5,
      timed_stats: [{ max_wr_latency_ns: 7 * MS + 1 }],
    });
    const nothing = accounting.start('none', 1);
    accounting.done(nothing);
    expect(blk.stats).toMatchObject({ wr_operations: 1, rd_operations: 0 });
  });
});

test('ACCT-5: a range that the medium does not have is an invalid request', async () => {
  await withDisk({}, async (blk, context) => {
    await context.advance(3);
    expect(await codeOf(blk.pread(1 << 20, Buffer.alloc(512)))).toBe('EIO');
    blk.accounting.invalid('write');
    await context.advance(4);
    expect(blk.stats).toMatchObject({
      invalid_rd_operations: 1,
      invalid_wr_operations: 1,
      failed_rd_operations: 0,
      rd_total_time_ns: 0,
    });
  });
});

test('ACCT-6: merging 4 requests into 1 adds 3', async () => {
  await withDisk({}, async (blk) => {
    blk.accounting.merged('write', 3);
    expect(blk.stats).toMatchObject({ wr_merged: 3, wr_operations: 0, rd_merged: 0 });
  });
});

test('ACCT-7: invalid and failed requests are accounted by default; auto keeps what is set', async () => {
  await withDisk({}, async (blk) => {
    expect(blk.stats).toMatchObject({ account_invalid: true, account_failed: true });
    blk.accounting.setup({ 'stats-account-invalid': 'off', 'stats-account-failed': 'auto' });
    expect(blk.stats).toMatchObject({ account_invalid: false, account_failed: true });
    blk.accounting.setup({ 'stats-account-invalid': 'auto', 'stats-account-failed': 'off' });
    expect(blk.stats).toMatchObject({ account_invalid: false, account_failed: false });
    blk.accounting.setup({ 'stats-account-invalid': 'on' });
    expect(blk.stats).toMatchObject({ account_invalid: true, account_failed: false });
    const wrong = { 'stats-account-failed': 'yes' as 'on' };
    expect(codeThrown(() => blk.accounting.setup(wrong))).toBe('ERR_INVALID_ARG_VALUE');
  });
  const settings = { 'stats-account-invalid': 'off', 'stats-account-failed': 'off' } as const;
  await withDisk(settings, async (blk) => {
    expect(blk.stats).toMatchObject({ account_invalid: false, account_failed: false });
  });
});

test('ACCT-8: idle time begins with the first access that is accounted', async () => {
  await withProbe(
    { 'stats-account-failed': 'off', 'stats-account-invalid': 'off' },
    async (blk, run) => {
      expect(blk.stats).not.toHaveProperty('idle_time_ns');
      await run(() => blk.pread(0, Buffer.alloc(512)), true);
      expect(await codeOf(blk.pread(-512, Buffer.alloc(512)))).toBe('EIO');
      expect(blk.stats).toMatchObject({ failed_rd_operations: 1, invalid_rd_operations: 1 });
      expect(blk.stats).not.toHaveProperty('idle_time_ns');
      await run(() => blk.flush(), false);
      // Nothing was written, so it was done at once, and the clock went on.
      expect(blk.stats.idle_time_ns).toBe(MS);
      await blk.context.advance(17);
      expect(blk.stats.idle_time_ns).toBe(MS + 17);
    },
  );
});

test('ACCT-9: twelve reads and a flush of 1 ms each', async () => {
  await withProbe({ 'stats-intervals': [10] }, async (blk, run) => {
    for (let index = 0; index < 12; index += 1) {
      await run(() => blk.pread(65536 * index, Buffer.alloc(65536)), false);
    }
    await run(() => blk.flush(), false);
    expect(blk.stats).toMatchObject({
      rd_bytes: 786432,
      rd_operations: 12,
      rd_total_time_ns: 12 * MS,
      flush_operations: 1,
      failed_rd_operations: 0,
      invalid_rd_operations: 0,
      timed_stats: [
        {
          interval_length: 10,
          min_rd_latency_ns: MS,
          max_rd_latency_ns: MS,
          avg_rd_latency_ns: MS,
          min_wr_latency_ns: 0,
        },
      ],
    });
  });
});

test('ACCT-10: seven invalid reads leave only their number', async () => {
  await withProbe({ 'stats-account-invalid': 'off' }, async (blk, run) => {
    for (let index = 0; index < 7; index += 1) blk.accounting.invalid('read');
    const numbers = { invalid_rd_operations: 7, rd_operations: 0, rd_total_time_ns: 0 };
    expect(blk.stats).toMatchObject(numbers);
    expect(blk.stats).not.toHaveProperty('idle_time_ns');
    await run(() => blk.flush(), false);
    expect(blk.stats).toMatchObject({ ...numbers, idle_time_ns: MS });
  });
});

test('ACCT-11: the time of eight failed reads counts as far as failures are accounted', async () => {
  for (const [accounts, total] of [
    ['on', 8 * MS],
    ['off', 0],
  ] as const) {
    await withProbe({ 'stats-account-failed': accounts }, async (blk, run) => {
      for (let index = 0; index < 8; index += 1) {
        await run(() => blk.pread(512 * index, Buffer.alloc(512)), true);
      }
      expect(blk.stats).toMatchObject({
        rd_total_time_ns: total,
        rd_operations: 0,
        rd_bytes: 0,
        failed_rd_operations: 8,
      });
    });
  }
});

test('ACCT-12: a failed write at sector 8192 raises the highest offset', async () => {
  await withProbe({}, async (blk, run) => {
    await run(() => blk.pwrite(8192 * 512, Buffer.alloc(512)), true);
    expect(blk.stats).toMatchObject({ wr_highest_offset: 4194816, failed_wr_operations: 1 });
  });
});

test('ACCT-14: intervals are whole seconds, reported in the order in which they were given', async () => {
  await withDisk({ 'stats-intervals': [60, 10, 2 ** 32 - 1] }, async (blk) => {
    const { timed_stats: timed } = blk.stats;
    expect(timed.map((stats) => stats.interval_length)).toEqual([60, 10, 2 ** 32 - 1]);
    const names = ['min', 'max', 'avg'].flatMap((value) =>
      ['rd', 'wr', 'flush'].map((type) => `${value}_${type}_latency_ns`),
    );
    const expected = ['interval_length', ...names, 'avg_rd_queue_depth', 'avg_wr_queue_depth'];
    expect(Object.keys(timed[0] ?? {}).sort()).toEqual(expected.sort());
  });
  const wrong: [unknown, string][] = [
    [[0], 'ERR_OUT_OF_RANGE'],
    [[10, 2 ** 32], 'ERR_OUT_OF_RANGE'],
    [[1.5], 'ERR_OUT_OF_RANGE'],
    [['10'], 'ERR_OUT_OF_RANGE'],
    ['garbage', 'ERR_INVALID_ARG_TYPE'],
  ];
  const before = Backend.all().length;
  for (const [intervals, code] of wrong) {
    const settings = { 'stats-intervals': intervals as number[] };
    expect(codeThrown(() => new Backend(settings))).toBe(code);
    expect(await codeOf(createDrive({}, settings))).toBe(code);
  }
  expect(Backend.all().length).toBe(before);
});

test('ACCT-15: the queue depth is the sum of latencies over the time that the window covers', async () => {
  await withDisk({ 'stats-intervals': [1] }, async (blk, context) => {
    const reads = [0, 1, 2].map((index) => blk.pread(512 * index, Buffer.alloc(512)));
    const write = blk.pwrite(0, Buffer.alloc(512));
    await context.advance(MS);
    await Promise.all([...reads, write]);
    // At 1 ms the window that expires first covers 666666667 ns and the time since then.
    const [timed] = blk.stats.timed_stats;
    expect(timed?.avg_rd_queue_depth).toBe((3 * MS) / (666_666_667 + MS));
    expect(timed?.avg_wr_queue_depth).toBe(MS / (666_666_667 + MS));
    await context.advance(2 * SECOND);
    expect(blk.stats.timed_stats[0]).toMatchObject({ avg_rd_queue_depth: 0, max_rd_latency_ns: 0 });
  });
});

test('ACCT-23: statistics stay with the backend when its medium changes, and end with it', async () => {
  await withDisk({}, async (blk, context) => {
    await inVirtualTime(context, blk.pwrite(4096, Buffer.alloc(512)));
    expect(blk.stats).toMatchObject({ wr_operations: 1, wr_highest_offset: 4608 });
    await inVirtualTime(context, blk.remove());
    expect(blk.stats).toMatchObject({ wr_operations: 1, wr_highest_offset: 0 });
    expect(await codeOf(blk.pread(0, Buffer.alloc(512)))).toBe('ENOMEDIUM');
    expect(blk.stats).toMatchObject({ failed_rd_operations: 1, invalid_rd_operations: 0 });
    await inVirtualTime(context, blk.close());
    expect(codeThrown(() => blk.stats)).toBe('ENOMEDIUM');
    expect(codeThrown(() => blk.accounting.invalid('read'))).toBe('ENOMEDIUM');
  });
});

test('ACCT-24: numbers of an IOThread that works belong to one moment, and are frozen', async () => {
  await using context = new AioContext();
  const settings = { context, accountRequests: true, 'stats-intervals': [1] };
  await using blk = await Backend.open({ driver: 'null-co' }, settings);
  let going = true;
  const data = blk.allocate(512);
  const lane = async (): Promise<void> => {
    while (going) await blk.pread(0, data);
  };
  const lanes = Array.from({ length: 16 }, lane);
  let last = 0;
  for (let round = 0; round < 200; round += 1) {
    for (let read = 0; read < 20; read += 1) {
      const stats = blk.stats;
      expect(stats.rd_bytes).toBe(stats.rd_operations * 512);
      expect(stats.rd_operations).toBeGreaterThanOrEqual(last);
      last = stats.rd_operations;
    }
    await new Promise(setImmediate);
  }
  going = false;
  await Promise.all(lanes);
  const { stats } = blk;
  expect(stats.rd_operations).toBeGreaterThan(0);
  expect(Object.isFrozen(stats) && Object.isFrozen(stats.timed_stats)).toBe(true);
  expect(Object.isFrozen(stats.timed_stats[0])).toBe(true);
});

test('ACCT-25: a node knows how far writes went and what its driver counts, nothing else', async () => {
  const filename = makeImage(folder, 'node.img', 65536);
  const node = await blockdevAdd({
    driver: 'file',
    'node-name': 'counted',
    filename,
    discard: 'unmap',
  });
  const blk = await Backend.open('counted', { accountRequests: true });
  await blk.pwrite(4096, Buffer.alloc(4096));
  await blk.pdiscard(0, 4096);
  const { stats } = node;
  expect(stats).toMatchObject({
    wr_highest_offset: 8192,
    wr_operations: 0,
    wr_bytes: 0,
    unmap_operations: 0,
    account_invalid: false,
    account_failed: false,
    timed_stats: [],
  });
  expect(stats).not.toHaveProperty('idle_time_ns');
  expect(node.info()).toMatchObject({ discardOk: 1, discardFailed: 0, discardBytesOk: 4096 });
  expect(blk.stats).toMatchObject({ wr_operations: 1, unmap_operations: 1, unmap_bytes: 4096 });
  await blk.close();
  await blockdevDel('counted');
});

test('NEW-2: discards are accounted by the backend, and counted by the driver that did them', async () => {
  const filename = makeImage(folder, 'discarded.img', 65536);
  const file = { driver: 'file', 'node-name': 'counted', filename, discard: 'unmap' } as const;
  const node = await blockdevAdd(file);
  const blk = await Backend.open('counted', { accountRequests: true });
  await blk.pdiscard(0, 4096);
  await blk.pdiscard(8192, 8192);
  expect(await codeOf(blk.pdiscard(65536, 4096))).toBe('EIO');
  expect(blk.stats).toMatchObject({
    unmap_operations: 2,
    unmap_bytes: 12288,
    invalid_unmap_operations: 1,
    failed_unmap_operations: 0,
  });
  expect(node.info()).toMatchObject({ discardOk: 2, discardFailed: 0, discardBytesOk: 12288 });
  await blk.close();
  await blockdevDel('counted');
});

test('ACCT-26: discards are counted and timed, but not in intervals or histograms', async () => {
  const options = { driver: 'x-probe', size: 1 << 20, discard: 'unmap' } as const;
  await withDisk(
    { 'stats-intervals': [10] },
    async (blk, context) => {
      await blk.pdiscard(0, 65536);
      const cookie = blk.accounting.start('unmap', 512);
      await context.advance(MS);
      blk.accounting.failed(cookie);
      blk.accounting.invalid('unmap');
      blk.accounting.merged('unmap', 2);
      const { stats } = blk;
      expect(stats).toMatchObject({
        unmap_operations: 1,
        unmap_bytes: 65536,
        unmap_total_time_ns: MS,
        failed_unmap_operations: 1,
        invalid_unmap_operations: 1,
        unmap_merged: 2,
      });
      expect(stats.timed_stats[0]).toMatchObject({ max_wr_latency_ns: 0, avg_wr_queue_depth: 0 });
    },
    options,
  );
});

test('a request that leaves its queue at the wish of its owner is not accounted', async () => {
  await withDisk({}, async (blk, context) => {
    const section = await blk.drained();
    const controller = new AbortController();
    const request = blk.pread(0, Buffer.alloc(512), { signal: controller.signal });
    await context.advance(MS);
    controller.abort();
    await expect(request).rejects.toThrow('abort');
    section.end();
    expect(blk.stats).toMatchObject({ rd_operations: 0, failed_rd_operations: 0 });
  });
});
