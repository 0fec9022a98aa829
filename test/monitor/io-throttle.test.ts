// block_set_io_throttle, what a query shows of it, and limits of drives that are made with them.
import {
  BlockBackend,
  type BlockIoThrottle,
  blockSetIoThrottle,
  createDrive,
  ioThrottleInfo,
  ThrottleGroup,
} from '../../lib/index.js';
import { fastDisk } from '../support/null-disk.js';

const OFF = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };

afterEach(() => {
  expect(ThrottleGroup.all().map(({ name }) => name)).toEqual([]);
});

describe('block_set_io_throttle', () => {
  test('TQ-1: it needs a device that is known and has a medium', async () => {
    const set = (more: object) => blockSetIoThrottle({ ...OFF, iops: 1, ...more });
    await expect(set({ device: 'none' })).rejects.toMatchObject({ code: 'ENODEV' });
    await expect(set({ id: 'none' })).rejects.toMatchObject({ code: 'ENODEV' });
    await expect(set({})).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(set({ device: 'a', id: 'b' })).rejects.toMatchObject({ code: 'EINVAL' });
    await using _empty = new BlockBackend({ name: 'empty' });
    await expect(set({ device: 'empty' })).rejects.toMatchObject({
      code: 'ENOMEDIUM',
      message: expect.stringContaining("the device 'empty' has no medium"),
    });
  });

  test('TQ-2: the group is the one given, else named like the device or like the id', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    blk.attachDevice({}, '', '/machine/peripheral/disk0/virtio-backend');
    const groupAfter = async (more: object): Promise<string | undefined> => {
      await blockSetIoThrottle({ ...OFF, iops_wr: 1, ...more });
      const name = blk.throttleGroup?.name;
      await blk.ioLimitsDisable();
      return name;
    };
    const path = '/machine/peripheral/disk0/virtio-backend';
    expect(await groupAfter({ device: 'drive0' })).toBe('drive0');
    expect(await groupAfter({ id: path })).toBe(path);
    expect(await groupAfter({ id: path, group: 'shared' })).toBe('shared');
    await blk.close();
  });

  test('TQ-3: a throttled device stays in its group unless one is given', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    await blockSetIoThrottle({ ...OFF, device: 'drive0', iops: 10, group: 'a' });
    await blockSetIoThrottle({ ...OFF, device: 'drive0', iops: 20 });
    expect([blk.throttleGroup?.name, blk.ioLimits?.['iops-total']]).toEqual(['a', 20]);
    await blockSetIoThrottle({ ...OFF, device: 'drive0', iops: 30, group: 'b' });
    expect([blk.throttleGroup?.name, blk.ioLimits?.['iops-total']]).toEqual(['b', 30]);
    await blk.close();
  });

  test('TQ-4: all limits 0 let this backend go, and no other', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    const other = await BlockBackend.open(fastDisk());
    await blockSetIoThrottle({ ...OFF, device: 'drive0', iops: 10, group: 'a' });
    other.ioLimitsEnable('a');
    await blockSetIoThrottle({ ...OFF, device: 'drive0', group: 'ignored' });
    expect(blk.throttleGroup).toBeUndefined();
    expect([other.throttleGroup?.name, other.ioLimits?.['iops-total']]).toEqual(['a', 10]);
    await blockSetIoThrottle({ ...OFF, device: 'drive0' });
    await blk.close();
    await other.close();
  });

  test('TQ-5: a wrong combination leaves limits and group as they were', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    await blockSetIoThrottle({ ...OFF, device: 'drive0', bps: 10, bps_max: 20, group: 'a' });
    const before = ioThrottleInfo(blk);
    const wrong: Partial<BlockIoThrottle>[] = [
      { bps: 1, bps_rd: 1 },
      { bps: 1, iops_size: 512 },
      { iops: 5, iops_max: 4 },
      { iops: -1 },
      { iops: 1.5 },
    ];
    for (const limits of wrong) {
      const request = { ...OFF, device: 'drive0', group: 'b', ...limits };
      await expect(blockSetIoThrottle(request)).rejects.toMatchObject({ code: 'EINVAL' });
      expect(ioThrottleInfo(blk)).toEqual(before);
      expect(ThrottleGroup.find('b')).toBeUndefined();
    }
    const { bps: _left, ...incomplete } = OFF;
    await expect(
      blockSetIoThrottle({ ...incomplete, device: 'drive0' } as BlockIoThrottle),
    ).rejects.toThrow(/bps is missing/);
    await blk.close();
  });

  test('TQ-6: each call replaces the whole set', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    const iops = { iops: 10, iops_max: 100, iops_max_length: 7, iops_size: 4096 };
    await blockSetIoThrottle({ ...OFF, device: 'drive0', ...iops });
    await blockSetIoThrottle({ ...OFF, device: 'drive0', iops: 10 });
    expect(blk.ioLimits).toMatchObject({
      'iops-total': 10,
      'iops-total-max': 0,
      'iops-total-max-length': 1,
      'iops-size': 0,
    });
    await blk.close();
  });

  test('TQ-7: a burst length of 0 and negative values are refused', async () => {
    await using _blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    const set = (more: object) => blockSetIoThrottle({ ...OFF, device: 'drive0', ...more });
    await expect(set({ iops: 1, iops_max: 1, iops_max_length: 0 })).rejects.toThrow(
      /iops-total-max-length must be at least 1 second/,
    );
    await expect(set({ iops: 1, iops_max: -1 })).rejects.toThrow(/must not be negative/);
  });

  test('TQ-9: a query shows six limits always, others only where there are any', async () => {
    const blk = await BlockBackend.open(fastDisk(), { name: 'drive0' });
    expect(ioThrottleInfo(blk)).toEqual(OFF);
    await blockSetIoThrottle({ ...OFF, device: 'drive0', bps_rd: 100, iops: 10 });
    expect(ioThrottleInfo(blk)).toEqual({ ...OFF, bps_rd: 100, iops: 10, group: 'drive0' });
    const burst = { bps_wr: 5, bps_wr_max: 50, iops_rd: 2, iops_size: 8192 };
    await blockSetIoThrottle({ ...OFF, device: 'drive0', ...burst });
    expect(ioThrottleInfo(blk)).toEqual({
      ...OFF,
      ...burst,
      bps_wr_max_length: 1,
      group: 'drive0',
    });
    await blk.ioLimitsDisable();
    expect(ioThrottleInfo(blk)).toEqual(OFF);
    await blk.close();
  });
});

describe('drives', () => {
  test('TQ-17: limits at creation: the group is named like the drive, and all is checked', async () => {
    const drive = await createDrive(
      { ...fastDisk(), 'throttling.iops-total': 10, throttling: { 'iops-total-max': 20 } },
      { name: 'drive0' },
    );
    expect(drive.throttleGroup?.name).toBe('drive0');
    expect(drive.ioLimits).toMatchObject({ 'iops-total': 10, 'iops-total-max': 20 });
    await drive.close();
    const given = await createDrive({
      throttling: { group: 'g', 'bps-read': 1, 'bps-read-max': 5, 'bps-read-max-length': 3 },
    });
    expect(given.throttleGroup?.name).toBe('g');
    expect(given.ioLimits).toMatchObject({ 'bps-read-max': 5, 'bps-read-max-length': 3 });
    await given.close();
    const off = await createDrive({ ...fastDisk(), throttling: { group: 'g' } });
    expect(off.throttleGroup).toBeUndefined();
    await off.close();
    const wrong = { 'iops-total': 1, 'iops-read': 1 };
    await expect(createDrive({ throttling: wrong }, { name: 'd' })).rejects.toThrow(
      /iops-total and iops-read exclude each other/,
    );
    await expect(createDrive({ throttling: { 'iops-total': 1 } })).rejects.toThrow(
      /throttling.group.* is missing, and the drive has no name/,
    );
    expect(BlockBackend.byName('d')).toBeUndefined();
  });
});
