import { BlockBackend, blockLatencyHistogramSet } from '../../lib/index.js';
import { openVirtual, slowDisk } from '../support/null-disk.js';
import { codeThrown } from '../support/requests.js';

const set = blockLatencyHistogramSet;

/** A backend named 'drive' with the device 'dev0', and a way to account a latency. */
async function withDevice(
  body: (
    blk: BlockBackend,
    account: (type: 'read' | 'write' | 'flush', latency: number, fails?: boolean) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const { context, blk } = await openVirtual(slowDisk(), { name: 'drive' });
  const device = {};
  blk.attachDevice(device, 'dev0');
  try {
    await body(blk, async (type, latency, fails = false) => {
      const cookie = blk.accounting.start(type, 512);
      await context.advance(latency);
      if (fails) blk.accounting.failed(cookie);
      else blk.accounting.done(cookie);
    });
  } finally {
    await blk.close();
    await context.close();
  }
}

test('ACCT-4: failures are in histograms although they are not accounted', async () => {
  await withDevice(async (blk, account) => {
    blk.accounting.setup({ 'stats-account-failed': 'off' });
    set({ id: 'dev0', boundaries: [10, 100] });
    await account('read', 5);
    await account('read', 50, true);
    expect(blk.stats.rd_latency_histogram).toEqual({ boundaries: [10, 100], bins: [1, 1, 0] });
    expect(blk.stats.rd_total_time_ns).toBe(5);
  });
});

test('ACCT-16: n bounds make n + 1 bins; wrong bounds leave the histogram as it was', async () => {
  await withDevice(async (blk, account) => {
    set({ id: 'dev0', 'boundaries-write': [10, 50, 100] });
    for (const latency of [0, 9, 10, 49, 50, 99, 100, 5000]) await account('write', latency);
    const expected = { boundaries: [10, 50, 100], bins: [2, 2, 2, 2] };
    expect(blk.stats.wr_latency_histogram).toEqual(expected);
    for (const bounds of [[0, 1], [-1], [5, 5], [6, 5], [1.5], [2 ** 53], 'ab']) {
      const wrong = { id: 'dev0', 'boundaries-write': bounds as number[] };
      expect(codeThrown(() => set(wrong))).toBe('EINVAL');
      expect(blk.stats.wr_latency_histogram).toEqual(expected);
    }
  });
});

test('ACCT-18: setting a histogram empties it and leaves the others alone', async () => {
  await withDevice(async (blk, account) => {
    set({ id: 'dev0', boundaries: [10] });
    for (const type of ['read', 'write', 'flush'] as const) await account(type, 3);
    set({ id: 'dev0', 'boundaries-write': [20, 30] });
    expect(blk.stats).toMatchObject({
      rd_latency_histogram: { boundaries: [10], bins: [1, 0] },
      wr_latency_histogram: { boundaries: [20, 30], bins: [0, 0, 0] },
      flush_latency_histogram: { boundaries: [10], bins: [1, 0] },
    });
    set({ id: 'dev0', 'boundaries-read': [10] });
    expect(blk.stats.rd_latency_histogram).toEqual({ boundaries: [10], bins: [0, 0] });
  });
});

test('ACCT-19: bounds for all but those with their own; none at all removes all three', async () => {
  await withDevice(async (blk) => {
    expect(blk.stats).not.toHaveProperty('rd_latency_histogram');
    set({ id: 'dev0', boundaries: [10], 'boundaries-flush': [7] });
    expect(blk.stats).toMatchObject({
      rd_latency_histogram: { boundaries: [10] },
      wr_latency_histogram: { boundaries: [10] },
      flush_latency_histogram: { boundaries: [7] },
    });
    set({ id: 'dev0' });
    for (const type of ['rd', 'wr', 'flush']) {
      expect(blk.stats).not.toHaveProperty(`${type}_latency_histogram`);
    }
  });
});

test('ACCT-20: wrong bounds for writes leave what was set for reads', async () => {
  await withDevice(async (blk) => {
    set({ id: 'dev0', boundaries: [1] });
    const request = {
      id: 'dev0',
      'boundaries-read': [10],
      'boundaries-write': [20, 10],
      'boundaries-flush': [30],
    };
    expect(codeThrown(() => set(request))).toBe('EINVAL');
    expect(blk.stats).toMatchObject({
      rd_latency_histogram: { boundaries: [10] },
      wr_latency_histogram: { boundaries: [1] },
      flush_latency_histogram: { boundaries: [1] },
    });
  });
});

test('ACCT-21: the command takes the id of a device, not the name of its backend', async () => {
  await withDevice(async () => {
    expect(BlockBackend.byName('drive')).toBeDefined();
    expect(codeThrown(() => set({ id: 'drive', boundaries: [1] }))).toBe('ENODEV');
    expect(codeThrown(() => set({ id: 'nobody', boundaries: [1] }))).toBe('ENODEV');
  });
});

test('ACCT-22: an empty list of bounds is refused', async () => {
  await withDevice(async (blk) => {
    set({ id: 'dev0', boundaries: [1] });
    expect(codeThrown(() => set({ id: 'dev0', boundaries: [] }))).toBe('EINVAL');
    expect(codeThrown(() => set({ id: 'dev0', 'boundaries-read': [] }))).toBe('EINVAL');
    expect(blk.stats.rd_latency_histogram).toEqual({ boundaries: [1], bins: [0, 0] });
  });
});
