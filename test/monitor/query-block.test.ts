// What query-block shows, here and in the genuine program.
import {
  BlockBackend,
  type BlockInfo,
  blockDirtyBitmapAdd,
  blockdevAdd,
  blockdevInsertMedium,
  blockSetIoThrottle,
  blockSetWriteThreshold,
  createDrive,
  queryBlock,
  queryNamedBlockNodes,
} from '../../lib/index.js';
import { CdDrive } from '../support/cd-drive.js';
import { comparable } from '../support/comparable.js';
import { drivesOfQemu, withDrives } from '../support/genuine-drives.js';
import { QEMU, startQemu, withGenuine } from '../support/genuine-qemu.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { describeWith } from '../support/tools.js';

const MIB = 1 << 20;

afterEach(clearGraph);

const only = async (): Promise<BlockInfo> => {
  const [info, ...others] = await queryBlock();
  expect(others).toEqual([]);
  return info as BlockInfo;
};

onEveryEngineAndHome((context) => {
  test('QRY-1: backends with a name or a device, in order of creation, and no others', async () => {
    const settings = { context: context() };
    await using _b = new BlockBackend({ ...settings, name: 'b' });
    await using _unknown = await BlockBackend.open(fastDisk(), settings);
    await using device = new BlockBackend(settings);
    await using _a = await createDrive({}, { ...settings, name: 'a' });
    device.attachDevice({}, '', '/machine/peripheral/disk1');
    const found = await queryBlock();
    expect(found.map(({ device: name, qdev }) => [name, qdev])).toEqual([
      ['b', undefined],
      ['', '/machine/peripheral/disk1'],
      ['a', undefined],
    ]);
  });

  test('QRY-2: fields that depend on device, tray, error policy and medium', async () => {
    await using blk = new BlockBackend({ name: 'd', context: context() });
    expect(await only()).toEqual({ device: 'd', type: 'unknown', removable: true, locked: false });
    const drive = new CdDrive();
    blk.attachDevice(drive, 'cd0');
    expect(await only()).toEqual({
      device: 'd',
      qdev: 'cd0',
      type: 'unknown',
      removable: false,
      locked: false,
    });
    blk.setDeviceOps(drive.ops());
    drive.locked = true;
    blk.iostatusEnable();
    const empty = {
      device: 'd',
      qdev: 'cd0',
      type: 'unknown',
      removable: true,
      locked: true,
      tray_open: false,
      'io-status': 'ok',
    };
    expect(await only()).toEqual(empty);
    await blockdevAdd({ ...fastDisk(), 'node-name': 'disc' });
    drive.trayOpen = true;
    await blockdevInsertMedium({ id: 'cd0', 'node-name': 'disc' });
    expect(await only()).toMatchObject({ tray_open: true, inserted: { 'node-name': 'disc' } });
    blk.setOnError('report', 'report');
    expect(await only()).not.toHaveProperty('io-status');
    await blk.close();
    expect(await queryBlock()).toEqual([]);
  });

  test('QRY-3: the medium, complete', async () => {
    const filename = image(MIB);
    const file = { driver: 'file', filename, cache: { direct: true } };
    const options = { driver: 'raw', 'node-name': 'disk', 'detect-zeroes': 'on', file } as const;
    await using blk = await BlockBackend.open(
      { ...options, cache: { 'no-flush': true } },
      { name: 'd', context: context(), permissions: ['consistent-read', 'write', 'resize'] },
    );
    blk.writeCache = false;
    blockSetWriteThreshold({ 'node-name': 'disk', 'write-threshold': 4096 });
    blockDirtyBitmapAdd({ node: 'disk', name: 'b' });
    const bitmap = { granularity: 65536, count: 0, recording: true, busy: false };
    const info = await only();
    expect(info.inserted).toEqual({
      file: filename,
      'node-name': 'disk',
      ro: false,
      drv: 'raw',
      backing_file_depth: 0,
      encrypted: false,
      detect_zeroes: 'on',
      ...{ bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 },
      image: {
        filename,
        format: 'raw',
        'dirty-flag': false,
        'actual-size': 0,
        'virtual-size': MIB,
      },
      cache: { writeback: false, direct: false, 'no-flush': true },
      write_threshold: 4096,
      'dirty-bitmaps': [{ ...bitmap, name: 'b', persistent: false }],
    });
    await blk.pwrite(0, Buffer.alloc(4096, 'x'));
    await blk.flush();
    expect((await only()).inserted?.image['actual-size']).toBe(4096);
    for (const part of [info, info.inserted, info.inserted?.image, info.inserted?.cache]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('QRY-3: filters that no user put there are not seen', async () => {
    const filter = { driver: 'x-probe', filter: true };
    await blockdevAdd(fastDisk({ 'node-name': 'disk' }));
    await blockdevAdd({ ...filter, 'node-name': 'below', file: 'disk' });
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'top', backing: 'below' });
    await blockdevAdd({ ...filter, 'node-name': 'above', file: 'top' });
    await using _blk = await BlockBackend.open('above', { name: 'd' });
    const chain = async (): Promise<unknown[]> => {
      const { inserted } = await only();
      const formats = [];
      for (let image = inserted?.image; image !== undefined; image = image['backing-image']) {
        formats.push(image.format);
      }
      return [inserted?.['node-name'], inserted?.backing_file_depth, ...formats];
    };
    expect(await chain()).toEqual(['above', 3, 'x-probe', 'x-probe', 'x-probe', 'null-co']);
    nodeOf('above').implicit = true;
    nodeOf('below').implicit = true;
    expect(await chain()).toEqual(['top', 1, 'x-probe', 'null-co']);
    const nodes = await queryNamedBlockNodes();
    expect(nodes.map((node) => [node['node-name'], node.backing_file_depth])).toEqual([
      ['above', 3],
      ['top', 2],
      ['below', 1],
      ['disk', 0],
    ]);
  });

  test('QRY-4: writeback is what the backend says, and true for nodes', async () => {
    await using blk = await BlockBackend.open(fastDisk(), { name: 'd', context: context() });
    const seen = async () => [
      (await only()).inserted?.cache.writeback,
      (await queryNamedBlockNodes())[0]?.cache.writeback,
    ];
    expect(await seen()).toEqual([true, true]);
    blk.writeCache = false;
    expect(await seen()).toEqual([false, true]);
  });

  test('QRY-12: filters count as images that a medium stands on, formats do not', async () => {
    const settings = { context: context(), name: 'd' };
    const filter = (file: object) => ({ driver: 'x-probe', filter: true, file });
    const overlay = { driver: 'x-probe', 'node-name': 'top', backing: fastDisk({ size: 512 }) };
    const tree = filter(filter(overlay));
    await using blk = await BlockBackend.open(tree as never, settings);
    const { inserted } = await only();
    expect(inserted?.backing_file_depth).toBe(3);
    const formats: string[] = [];
    for (let next = inserted?.image; next !== undefined; next = next['backing-image']) {
      formats.push(`${next.format} ${next['virtual-size']}`);
    }
    expect(formats).toEqual([`x-probe ${MIB}`, `x-probe ${MIB}`, `x-probe ${MIB}`, 'null-co 512']);
    expect(inserted).not.toHaveProperty('backing_file');
    await blk.close();
    await using _raw = await BlockBackend.open({ driver: 'raw', file: fastDisk() }, settings);
    expect((await only()).inserted?.backing_file_depth).toBe(0);
  });

  test('TQ-9: base values always; maxima, lengths, size and group only where there are any', async () => {
    await using blk = await BlockBackend.open(fastDisk(), { name: 'd', context: context() });
    const limits = async (): Promise<object> => {
      const { inserted } = await only();
      const fields = Object.entries(inserted ?? {}).filter(([name]) =>
        /^(bps|iops|group)/.test(name),
      );
      return Object.fromEntries(fields);
    };
    const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
    expect(await limits()).toEqual(none);
    await blockSetIoThrottle({ ...none, device: 'd', iops: 100, bps_wr: 5000 });
    const set = { ...none, iops: 100, bps_wr: 5000, group: 'd' };
    expect(await limits()).toEqual(set);
    const burst = { iops_max: 200, iops_max_length: 2, iops_size: 4096 };
    await blockSetIoThrottle({ ...none, device: 'd', iops: 100, bps_wr: 5000, ...burst });
    expect(await limits()).toEqual({ ...set, ...burst });
    await blockSetIoThrottle({ ...none, device: 'd', bps: 10, bps_max: 20, group: 'other' });
    const other = { ...none, bps: 10, bps_max: 20, bps_max_length: 1, group: 'other' };
    expect(await limits()).toEqual(other);
    await blk.ioLimitsDisable();
    expect(await limits()).toEqual(none);
  });
});

describeWith([QEMU], 'query-block, genuine', () => {
  test('QRY-3: drives and their media are shown as the genuine program shows them', async () => {
    const images = { writable: image(MIB, Buffer.from('x')), readOnly: image(3 * MIB + 512) };
    const genuine = await withGenuine(startQemu(drivesOfQemu(images)), async (qmp) => {
      await qmp.execute('block-dirty-bitmap-add', { node: 'drive0', name: 'b' });
      const write = { 'node-name': 'below', 'write-threshold': 1000 };
      await qmp.execute('block-set-write-threshold', write);
      const closed = await qmp.execute<BlockInfo[]>('query-block');
      await qmp.execute('blockdev-open-tray', { id: 'cd1', force: true });
      return [closed, await qmp.execute<BlockInfo[]>('query-block')];
    });
    const ours = await withDrives(images, async ({ cd1 }) => {
      blockDirtyBitmapAdd({ node: 'drive0', name: 'b' });
      blockSetWriteThreshold({ 'node-name': 'below', 'write-threshold': 1000 });
      const closed = await queryBlock();
      cd1.trayOpen = true;
      return [closed, await queryBlock()];
    });
    expect(comparable(ours)).toEqual(comparable(genuine));
    expect(ours[0]?.map(({ device }) => device)).toEqual([
      'empty0',
      'drive0',
      'drive1',
      'drive2',
      '',
    ]);
  });
});
