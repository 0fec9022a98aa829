// Devices on backends: attaching them, and what they say of trays and locks.
import {
  BlockBackend,
  type BlockDevOps,
  BlockUsageError,
  type DeviceTrayMovedEvent,
  probe,
  queryBlock,
} from '../../lib/index.js';
import { CdDrive, recordEvents, recordTray } from '../support/cd-drive.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf, codeThrown } from '../support/requests.js';
import { until } from '../support/waiting.js';

const sector = Buffer.alloc(512);
const EVERYTHING = ['consistent-read', 'write', 'write-unchanged', 'resize'];

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk(), settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });
  const empty = (settings = {}) => new BlockBackend({ context: context(), ...settings });

  test('DEV-1: a second device is refused with EBUSY, the same one, too', async () => {
    await using blk = await open();
    const device = {};
    blk.attachDevice(device, 'cd0', '/machine/cd0');
    for (const other of [{}, device]) {
      expect(codeThrown(() => blk.attachDevice(other, 'cd1'))).toBe('EBUSY');
    }
    expect([blk.device, blk.deviceId, blk.devicePath]).toEqual([device, 'cd0', '/machine/cd0']);
    expect(blk.references).toBe(2);
  });

  test('DEV-2: an attached device holds the backend', async () => {
    const blk = await open();
    const device = {};
    blk.attachDevice(device);
    expect(blk.references).toBe(2);
    await blk.unref();
    expect([blk.references, blk.isClosed, await blk.pread(0, sector)]).toEqual([1, false, 512]);
    await blk.detachDevice(device);
    await until(() => BlockBackend.all().length === 0);
    expect(blk.isClosed).toBe(true);
  });

  test('DEV-3: detaching a device that is not attached is a usage error and changes nothing', async () => {
    await using blk = await open();
    const device = {};
    await expect(blk.detachDevice(device)).rejects.toBeInstanceOf(BlockUsageError);
    blk.attachDevice(device);
    await expect(blk.detachDevice({})).rejects.toBeInstanceOf(BlockUsageError);
    expect([blk.device, blk.references]).toEqual([device, 2]);
  });

  test('DEV-4: without its device a backend has sectors of 512, no operations, and no permissions', async () => {
    await using blk = await open(fastDisk(), { shared: ['consistent-read'] });
    const drive = new CdDrive();
    blk.attachDevice(drive, 'cd0');
    blk.setDeviceOps(drive.ops());
    blk.guestBlockSize = 2048;
    expect([blk.permissions, blk.shared]).toEqual([
      ['consistent-read', 'write'],
      ['consistent-read'],
    ]);
    drive.trayOpen = true;
    blk.eject(true);
    const detached = blk.detachDevice(drive);
    expect([blk.device, blk.deviceId, blk.hasTray]).toEqual([undefined, '', false]);
    await detached;
    expect([blk.guestBlockSize, blk.permissions, blk.shared]).toEqual([512, [], EVERYTHING]);
    expect(blk.references).toBe(1);
    // Its tray went with it: what fails now is only the permission.
    expect(blk.info().available).toBe(true);
  });

  test('DEV-5: a device is called by its id, else by its path, else by nothing', async () => {
    await using blk = empty();
    const names = [blk.attachedDeviceId];
    for (const [id, path] of [
      ['cd0', '/machine/cd0'],
      ['', '/machine/cd0'],
      ['', ''],
    ] as const) {
      const device = {};
      blk.attachDevice(device, id, path);
      names.push(blk.attachedDeviceId);
      await blk.detachDevice(device);
    }
    expect(names).toEqual(['', 'cd0', '/machine/cd0', '']);
  });

  test('DEV-6: the first backend in order of creation is found by its device, none by null', async () => {
    await using first = empty();
    await using second = empty();
    const device = {};
    second.attachDevice(device);
    expect(BlockBackend.byDevice(device)).toBe(second);
    first.attachDevice(device);
    expect(BlockBackend.byDevice(device)).toBe(first);
    expect(BlockBackend.byDevice({})).toBeUndefined();
    expect(codeThrown(() => BlockBackend.byDevice(null as never))).toBe('ERR_BLOCK_USAGE');
  });

  test('DEV-9: media are removable without a device, else if it takes part', async () => {
    await using blk = empty();
    const drive = new CdDrive();
    const { changeMedia, ...fixed } = drive.ops() as Required<BlockDevOps>;
    const answers = [blk.isRemovable];
    blk.attachDevice(drive);
    answers.push(blk.isRemovable);
    blk.setDeviceOps(fixed);
    answers.push(blk.isRemovable);
    blk.setDeviceOps({ changeMedia });
    answers.push(blk.isRemovable);
    expect(answers).toEqual([true, false, false, true]);
  });

  test('DEV-10: a tray is there if the device can be asked for it, and open only then', async () => {
    await using blk = await open();
    const drive = new CdDrive();
    drive.trayOpen = true;
    blk.attachDevice(drive);
    expect([blk.hasTray, blk.isTrayOpen]).toEqual([false, false]);
    blk.setDeviceOps(drive.ops({ tray: false }));
    expect([blk.hasTray, blk.isTrayOpen, await blk.pread(0, sector)]).toEqual([false, false, 512]);
    blk.setDeviceOps(drive.ops());
    expect([blk.hasTray, blk.isTrayOpen]).toEqual([true, true]);
    expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
    drive.trayOpen = false;
    blk.eject(false);
    expect([blk.isTrayOpen, await blk.pread(0, sector)]).toEqual([false, 512]);
  });

  test('DEV-11: a medium is locked only if the device says so', async () => {
    await using blk = empty();
    const drive = new CdDrive();
    drive.locked = true;
    blk.attachDevice(drive);
    const answers = [blk.isMediumLocked];
    const { isMediumLocked, ...others } = drive.ops() as Required<BlockDevOps>;
    blk.setDeviceOps(others);
    answers.push(blk.isMediumLocked);
    blk.setDeviceOps({ isMediumLocked });
    answers.push(blk.isMediumLocked);
    drive.locked = false;
    answers.push(blk.isMediumLocked);
    expect(answers).toEqual([false, false, true, false]);
  });

  test('DEV-12: an eject request reaches a device that takes it, with its force, and no event', async () => {
    await using blk = await open();
    const drive = new CdDrive();
    using _events = recordTray(drive.calls);
    blk.ejectRequest(true);
    blk.attachDevice(drive);
    blk.setDeviceOps({});
    blk.ejectRequest(true);
    expect(drive.calls).toEqual([]);
    blk.setDeviceOps(drive.ops());
    expect([blk.ejectRequest(false), blk.ejectRequest(true)]).toEqual([undefined, undefined]);
    expect(drive.calls).toEqual(['eject request, force false', 'eject request, force true']);
  });

  test('DEV-13: a refused load is passed on, and no event tells of it', async () => {
    await using blk = await open();
    const drive = new CdDrive();
    using _events = recordTray(drive.calls);
    blk.attachDevice(drive);
    blk.setDeviceOps(drive.ops());
    drive.trayOpen = true;
    blk.eject(true);
    drive.calls.length = 0;
    drive.refusal = new Error('not this one');
    await expect(blk.changeMedia(true)).rejects.toThrow('not this one');
    expect([drive.calls, blk.isTrayOpen]).toEqual([['load'], true]);
  });

  test('DEV-14: no device can refuse that a medium goes: that is a usage error', async () => {
    await using blk = await open();
    const drive = new CdDrive();
    using _events = recordTray(drive.calls);
    blk.attachDevice(drive);
    blk.setDeviceOps(drive.ops());
    drive.refusal = new Error('mine');
    await expect(blk.changeMedia(false)).rejects.toBeInstanceOf(BlockUsageError);
    expect([drive.calls, blk.isTrayOpen, blk.root?.isClosed]).toEqual([['unload'], false, false]);
  });

  test('DEV-15: the event of a tray comes when it moved, with names that may be empty', async () => {
    const seen: DeviceTrayMovedEvent[] = [];
    using _events = recordEvents({ DEVICE_TRAY_MOVED: (event) => seen.push(event) });
    await using named = empty({ name: 'ide1' });
    await using unnamed = empty();
    const drive = new CdDrive();
    await named.changeMedia(false);
    expect(seen).toEqual([]);
    named.attachDevice(drive, '', '/machine/ide1');
    named.setDeviceOps(drive.ops());
    await named.changeMedia(false);
    // It is open already.
    await named.changeMedia(false);
    unnamed.attachDevice(drive);
    unnamed.setDeviceOps(drive.ops());
    await unnamed.changeMedia(true);
    unnamed.setDeviceOps(drive.ops({ tray: false }));
    await unnamed.changeMedia(false);
    expect(seen).toEqual([
      { device: 'ide1', id: '/machine/ide1', 'tray-open': true },
      { device: '', id: '', 'tray-open': false },
    ]);
  });

  test('DEV-16: what the guest does with its tray reaches the driver, and always makes an event', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n' });
    await using bare = empty();
    const calls: string[] = [];
    using _events = recordTray(calls);
    blk.eject(true);
    blk.eject(true);
    blk.eject(false);
    bare.eject(true);
    expect(calls).toEqual(['tray open', 'tray open', 'tray closed', 'tray open']);
    expect(probe('n').mediaCalls).toEqual(['eject', 'eject', 'load']);
  });

  test('DEV-17: locking reaches the driver of the medium, and without a medium nobody', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n' });
    await using bare = empty();
    await using deaf = await open();
    for (const each of [blk, bare, deaf]) {
      expect([each.lockMedium(true), each.lockMedium(false)]).toEqual([undefined, undefined]);
    }
    expect(probe('n').mediaCalls).toEqual(['lock', 'unlock']);
  });

  test('DEV-18: the device hears when the length is established, by truncate and by a growing write', async () => {
    await using blk = await open(
      { driver: 'x-probe', size: 65536 },
      { permissions: ['write', 'resize'] },
    );
    const sizes: number[] = [];
    const device = {};
    blk.attachDevice(device);
    blk.setDeviceOps({ resize: () => sizes.push(blk.getLengthSync()) });
    await blk.truncate(131072);
    await until(() => sizes.length === 1);
    blk.allowWriteBeyondEnd = true;
    await blk.pwrite(131072, Buffer.alloc(512));
    await until(() => sizes.length === 2);
    // To what it was.
    await blk.truncate(131584);
    await until(() => sizes.length === 3);
    expect(sizes).toEqual([131072, 131584, 131584]);
  });

  test('RAW-10: eject and lock-medium go to the file of a raw image', async () => {
    await using blk = await open({
      driver: 'raw',
      file: { driver: 'x-probe', 'node-name': 'medium' },
    } as never);
    blk.lockMedium(true);
    blk.eject(true);
    blk.lockMedium(false);
    blk.eject(false);
    expect(probe('medium').mediaCalls).toEqual(['lock', 'eject', 'unlock', 'load']);
  });

  test('MED-8: an open tray hides the medium from requests, not from a query', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'n' }), { name: 'ide1' });
    const drive = new CdDrive();
    blk.attachDevice(drive, 'cd0');
    blk.setDeviceOps(drive.ops());
    await blk.changeMedia(false);
    expect([blk.root?.name, await codeOf(blk.pread(0, sector))]).toEqual(['n', 'ENOMEDIUM']);
    expect(await queryBlock()).toMatchObject([
      { device: 'ide1', qdev: 'cd0', tray_open: true, locked: false, removable: true },
    ]);
    expect((await queryBlock())[0]?.inserted).toMatchObject({
      'node-name': 'n',
      drv: blk.root?.driver.name,
    });
  });
});
