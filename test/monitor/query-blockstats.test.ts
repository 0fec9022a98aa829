// What query-blockstats shows, here and in the genuine program.
import {
  BlockBackend,
  type BlockStats,
  blockdevAdd,
  blockLatencyHistogramSet,
  createDrive,
  queryBlockstats,
} from '../../lib/index.js';
import { comparable } from '../support/comparable.js';
import { drivesOfQemu, withDrives } from '../support/genuine-drives.js';
import { type Setup, setUpGenuine, withSetup } from '../support/genuine-nodes.js';
import {
  QEMU,
  STORAGE_DAEMON,
  startQemu,
  startStorageDaemon,
  withGenuine,
} from '../support/genuine-qemu.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { describeWith } from '../support/tools.js';

const MIB = 1 << 20;

afterEach(clearGraph);

/** 'node(parent, backing)' of each, as deep as it goes. */
function shape(stats: BlockStats | undefined): string {
  if (stats === undefined) return '-';
  const { 'node-name': name = '', parent, backing } = stats;
  const below = parent === undefined && backing === undefined;
  return below ? name : `${name}(${shape(parent)}, ${shape(backing)})`;
}

onEveryEngineAndHome((context) => {
  test('QRY-5: the backends that query-block lists, with all that is below them', async () => {
    const settings = { context: context() };
    const file = { driver: 'file', 'node-name': 'file', filename: image(MIB) };
    const overlay = {
      driver: 'x-probe',
      'node-name': 'overlay',
      file: { driver: 'raw', 'node-name': 'raw', file },
      backing: fastDisk({ 'node-name': 'base' }),
    };
    await using blk = await BlockBackend.open(
      { driver: 'x-probe', filter: true, 'node-name': 'filter', file: overlay },
      { ...settings, name: 'd', accountRequests: true },
    );
    await using _unknown = await BlockBackend.open(fastDisk(), settings);
    blk.attachDevice({}, 'disk0', '/machine/peripheral/disk0');
    await blk.pwrite(4096, Buffer.alloc(512));
    await blk.pread(0, Buffer.alloc(1024));
    const [stats, ...others] = queryBlockstats();
    expect(others).toEqual([]);
    expect(stats).toMatchObject({ device: 'd', qdev: 'disk0', 'node-name': 'filter' });
    expect(stats?.stats).toMatchObject({
      rd_operations: 1,
      rd_bytes: 1024,
      wr_operations: 1,
      wr_bytes: 512,
      wr_highest_offset: 4608,
    });
    // What a filter filters stands below it in both ways; a raw node is no filter.
    const below = 'overlay(raw(file, -), base)';
    expect(shape(stats)).toBe(`filter(${below}, ${below})`);
    expect(stats?.parent?.stats).toMatchObject({ wr_operations: 0, wr_highest_offset: 4608 });
    for (const part of [stats, stats?.stats, stats?.parent, stats?.parent?.stats]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('QRY-5: filters that no user put there are not seen', async () => {
    const filter = { driver: 'x-probe', filter: true };
    await blockdevAdd(fastDisk({ 'node-name': 'disk' }));
    await blockdevAdd({ ...filter, 'node-name': 'below', file: 'disk' });
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'top', backing: 'below' });
    await blockdevAdd({ ...filter, 'node-name': 'above', file: 'top' });
    await using _blk = await BlockBackend.open('above', { name: 'd' });
    nodeOf('above').implicit = true;
    nodeOf('below').implicit = true;
    expect(queryBlockstats().map(shape)).toEqual(['top(-, disk)']);
    expect(queryBlockstats({ 'query-nodes': true }).map(shape)).toEqual([
      'disk',
      'below(disk, -)',
      'top',
      'above(top, -)',
    ]);
  });

  test('QRY-6: every node once, with its parent and not with its backing file', async () => {
    const base = fastDisk({ 'node-name': 'base' });
    const overlay = { driver: 'x-probe', 'node-name': 'overlay', backing: base };
    await using blk = await BlockBackend.open(
      { driver: 'x-probe', filter: true, 'node-name': 'filter', file: overlay },
      { context: context(), name: 'd', accountRequests: true },
    );
    await blk.pwrite(512, Buffer.alloc(512));
    const nodes = queryBlockstats({ 'query-nodes': true });
    expect(nodes.map(shape)).toEqual(['base', 'overlay', 'filter(overlay, -)']);
    for (const node of nodes) {
      expect(node).not.toHaveProperty('device');
      expect(node.stats).toMatchObject({ wr_operations: 0, account_failed: false });
    }
    expect(nodes.map(({ stats }) => stats.wr_highest_offset)).toEqual([0, 1024, 1024]);
  });

  test('QRY-7: an empty backend has statistics, no node and wrote nowhere', async () => {
    await using blk = await BlockBackend.open(fastDisk(), {
      context: context(),
      name: 'd',
      accountRequests: true,
    });
    await blk.pwrite(0, Buffer.alloc(4096));
    await blk.remove();
    const [stats] = queryBlockstats();
    const idle = { idle_time_ns: expect.any(Number) };
    expect(stats).toEqual({ device: 'd', stats: { ...blk.stats, ...idle } });
    expect(stats?.stats).toMatchObject({ wr_operations: 1, wr_highest_offset: 0 });
  });

  test('QRY-9: a file tells of its discards, and nobody else does', async () => {
    const file = { driver: 'file', 'node-name': 'file', filename: image(MIB), discard: 'unmap' };
    await using blk = await BlockBackend.open(
      { driver: 'raw', 'node-name': 'raw', discard: 'unmap', file } as const,
      { context: context(), name: 'd' },
    );
    await blk.pdiscard(0, 65536);
    await blk.pdiscard(65536, 4096);
    const [stats] = queryBlockstats();
    expect(stats).not.toHaveProperty('driver-specific');
    expect(stats?.parent?.['driver-specific']).toEqual({
      driver: 'file',
      'discard-nb-ok': 2,
      'discard-nb-failed': 0,
      'discard-bytes-ok': 69632,
    });
  });

  test('ACCT-16: histograms stand in the statistics of their backend', async () => {
    await using blk = await BlockBackend.open(fastDisk(), { context: context(), name: 'd' });
    blk.attachDevice({}, 'disk0');
    blockLatencyHistogramSet({ id: 'disk0', boundaries: [10, 1e12] });
    await blk.pread(0, Buffer.alloc(512), { account: 'read' });
    const { rd_latency_histogram: reads } = queryBlockstats()[0]?.stats ?? {};
    expect(reads?.boundaries).toEqual([10, 1e12]);
    expect(reads?.bins.reduce((sum, count) => sum + count)).toBe(1);
  });
});

test('QRY-5: a chain of filters is looked at once, though it shows twice at each of them', async () => {
  await blockdevAdd(fastDisk({ 'node-name': 'n0' }));
  for (let depth = 1; depth <= 50; depth += 1) {
    const file = `n${depth - 1}`;
    await blockdevAdd({ driver: 'x-probe', filter: true, 'node-name': `n${depth}`, file });
  }
  await using _blk = await BlockBackend.open('n50', { name: 'd' });
  let depth = 0;
  for (let next = queryBlockstats()[0]; next !== undefined; next = next.backing) {
    expect(next.parent).toBe(next.backing);
    depth += 1;
  }
  expect(depth).toBe(51);
});

describeWith([QEMU], 'query-blockstats, genuine', () => {
  test('QRY-10: drives and nodes, with a device and without, as the genuine program shows them', async () => {
    const images = { writable: image(MIB), readOnly: image(3 * MIB) };
    const histogram = { id: 'cd1', boundaries: [10, 20] };
    const genuine = await withGenuine(startQemu(drivesOfQemu(images)), async (qmp) => {
      await qmp.execute('block-latency-histogram-set', histogram);
      return [
        await qmp.execute<BlockStats[]>('query-blockstats'),
        await qmp.execute<BlockStats[]>('query-blockstats', { 'query-nodes': true }),
      ];
    });
    const ours = await withDrives(images, () => {
      blockLatencyHistogramSet(histogram);
      return [queryBlockstats(), queryBlockstats({ 'query-nodes': true })];
    });
    expect(comparable(ours)).toEqual(comparable(genuine));
    const [drives] = ours;
    expect(drives?.map(({ device, qdev }) => [device, qdev])).toEqual([
      ['empty0', 'cd0'],
      ['drive0', '/machine/peripheral/virtio0/virtio-backend'],
      ['drive1', 'cd1'],
      ['drive2', undefined],
      ['', '/machine/peripheral/virtio1/virtio-backend'],
    ]);
  });
});

describeWith([QEMU], 'query-blockstats after requests, genuine', () => {
  test('QRY-9: the same requests leave the same counters, in the drive and in its file', async () => {
    const TIMES = ['rd_total_time_ns', 'wr_total_time_ns', 'flush_total_time_ns', 'idle_time_ns'];
    const filename = image(MIB);
    const drive = `if=none,id=d,file=${filename},format=raw,discard=unmap`;
    const genuine = await withGenuine(startQemu(['-drive', drive]), async (qmp) => {
      for (const command of ['aio_write 4096 8k', 'aio_read 0 512', 'discard 0 64k', 'aio_flush']) {
        expect(await qmp.human(`qemu-io d "${command}"`)).not.toMatch(/error|failed|invalid/i);
      }
      return qmp.execute('query-blockstats');
    });
    const file = { driver: 'file', filename };
    await using blk = await createDrive({ driver: 'raw', discard: 'unmap', file }, { name: 'd' });
    await blk.pwrite(4096, Buffer.alloc(8192), { account: 'write' });
    await blk.pread(0, Buffer.alloc(512), { account: 'read' });
    await blk.pdiscard(0, 65536);
    await blk.flush({ account: 'flush' });
    const ours = queryBlockstats();
    expect(comparable(ours, TIMES)).toEqual(comparable(genuine, TIMES));
    expect(ours[0]?.parent?.['driver-specific']?.['discard-bytes-ok']).toBe(65536);
    expect(ours[0]?.stats.wr_highest_offset).toBe(12288);
  });
});

describeWith([STORAGE_DAEMON], 'query-blockstats of nodes, genuine', () => {
  test('QRY-6: nodes are shown as the genuine program shows them', async () => {
    const file = { driver: 'file', filename: image(MIB) };
    const setup: Setup = {
      groups: { group: {} },
      nodes: [
        { driver: 'raw', 'node-name': 'raw', file },
        { driver: 'throttle', 'node-name': 'throttle', 'throttle-group': 'group', file: 'raw' },
        { driver: 'raw', 'node-name': 'above', file: 'throttle' },
        { driver: 'copy-on-read', 'node-name': 'cor', file: 'above' },
        { driver: 'null-co', 'node-name': 'null' },
        { driver: 'blkdebug', 'node-name': 'debug', image: 'null' },
        { driver: 'blkverify', 'node-name': 'verify', raw: 'null', test: 'cor' },
        { driver: 'blklogwrites', 'node-name': 'log', file: 'debug', log: 'null' },
      ],
    };
    const genuine = await withGenuine(startStorageDaemon(), async (qmp) => {
      await setUpGenuine(qmp, setup);
      return [
        await qmp.execute('query-blockstats'),
        await qmp.execute('query-blockstats', { 'query-nodes': true }),
      ];
    });
    const ours = await withSetup(setup, () => [
      queryBlockstats(),
      queryBlockstats({ 'query-nodes': true }),
    ]);
    expect(comparable(ours)).toEqual(comparable(genuine));
  });
});
