// The commands that change the medium of a drive under a running machine.
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BlockBackend,
  type BlockError,
  type BlockNode,
  BlockUsageError,
  blockdevChangeMedium,
  blockdevCloseTray,
  blockdevDel,
  blockdevInsertMedium,
  blockdevOpenTray,
  blockdevRemoveMedium,
  blockSetIoThrottle,
  createDrive,
  eject,
  ProbeJob,
  queryBlock,
} from '../../lib/index.js';
import { CdDrive, recordTray } from '../support/cd-drive.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);

interface Setup {
  readonly drive: CdDrive;
  readonly calls: string[];
}

onEveryEngineAndHome((context) => {
  let listening: Disposable | undefined;
  let images = 0;

  afterEach(() => {
    listening?.[Symbol.dispose]();
    listening = undefined;
    expect(BlockBackend.all()).toEqual([]);
  });

  const settings = (more = {}) => ({ context: context(), name: 'ide1', ...more });
  const empty = () => new BlockBackend(settings());
  const open = (options: object = fastDisk({ 'node-name': 'disk' })) =>
    BlockBackend.open(options as never, settings());
  const inserted = async () => (await queryBlock())[0]?.inserted;

  /** Puts a CD drive on the backend, and writes down what it is told and which events come. */
  const attach = (blk: BlockBackend, { tray = true } = {}): Setup => {
    const drive = new CdDrive();
    blk.attachDevice(drive, 'cd0');
    blk.setDeviceOps(drive.ops({ tray }));
    const { calls } = drive;
    listening = recordTray(calls);
    return { drive, calls };
  };

  const newImage = (bytes = 65536, fill = 0x11): string => {
    images += 1;
    return makeImage(folder, `${context().name}-${images}.img`, bytes, fill);
  };

  test.each([
    ['blockdev-open-tray', blockdevOpenTray],
    ['blockdev-close-tray', blockdevCloseTray],
    ['blockdev-remove-medium', blockdevRemoveMedium],
    ['eject', eject],
  ])('DEV-5: %s takes one of device and id, and knows both', async (_name, command) => {
    await using blk = empty();
    attach(blk);
    expect(await codeOf(command({}))).toBe('EINVAL');
    expect(await codeOf(command({ device: 'ide1', id: 'cd0' }))).toBe('EINVAL');
    expect(await codeOf(command({ device: 'ide2' }))).toBe('ENODEV');
    expect(await codeOf(command({ id: 'cd1' }))).toBe('ENODEV');
    expect(await codeOf(command({ device: 1 as never }))).toBe('ERR_INVALID_ARG_TYPE');
    await blockdevOpenTray({ id: 'cd0' });
    expect(await codeOf(command({ device: 'ide1' }))).toBe('none');
  });

  test('MED-1: a device whose media stay has no tray to open', async () => {
    await using blk = await open();
    blk.attachDevice({}, 'disk0');
    const refusal = await blockdevOpenTray({ id: 'disk0' }).catch((error: BlockError) => error);
    expect(refusal).toMatchObject({ code: 'ENOTSUP' });
    expect((refusal as Error).message).toContain("block device 'ide1' is not removable");
  });

  test('MED-2: opening the tray of a device without one succeeds, and nothing happens', async () => {
    await using blk = await open();
    const { calls } = attach(blk, { tray: false });
    await blockdevOpenTray({ device: 'ide1' });
    expect([calls, await blk.pread(0, sector)]).toEqual([[], 512]);
  });

  test('MED-3: an open tray stays open without an event', async () => {
    await using blk = await open();
    const { drive, calls } = attach(blk);
    drive.trayOpen = true;
    await blockdevOpenTray({ device: 'ide1' });
    expect(calls).toEqual([]);
  });

  test('MED-4: an unlocked tray opens with one event', async () => {
    await using blk = await open();
    const { calls } = attach(blk);
    await blockdevOpenTray({ device: 'ide1' });
    expect([calls, blk.isTrayOpen]).toEqual([['unload', 'tray open'], true]);
  });

  test('MED-5: a locked tray stays closed: the guest is asked, and that is success', async () => {
    await using blk = await open();
    const { drive, calls } = attach(blk);
    drive.locked = true;
    await blockdevOpenTray({ device: 'ide1' });
    await blockdevOpenTray({ device: 'ide1', force: false });
    expect(calls).toEqual(['eject request, force false', 'eject request, force false']);
    expect([blk.isTrayOpen, await blk.pread(0, sector)]).toEqual([false, 512]);
  });

  test('MED-6: force tells the guest, and opens the locked tray', async () => {
    await using blk = await open();
    const { drive, calls } = attach(blk);
    drive.locked = true;
    await blockdevOpenTray({ device: 'ide1', force: true });
    expect(calls).toEqual(['eject request, force true', 'unload', 'tray open']);
  });

  test('MED-7: a guest that unlocks when it is asked changes nothing of what follows', async () => {
    await using blk = await open();
    const { drive, calls } = attach(blk);
    drive.locked = true;
    drive.asked = () => {
      drive.locked = false;
    };
    expect(await codeOf(eject({ device: 'ide1' }))).toBe('EINPROGRESS');
    expect([calls, blk.isTrayOpen]).toEqual([['eject request, force false'], false]);
    expect(blk.root?.name).toBe('disk');
  });

  test('MED-8: with an open tray requests fail with ENOMEDIUM, and a query shows the medium', async () => {
    await using blk = await open();
    attach(blk);
    await blockdevOpenTray({ device: 'ide1' });
    expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
    expect(await queryBlock()).toMatchObject([
      { tray_open: true, inserted: { 'node-name': 'disk' } },
    ]);
  });

  test('MED-9: closing: refused, silent without a tray or when closed, else one event; a refused load is told', async () => {
    await using blk = await open();
    const close = () => blockdevCloseTray({ device: 'ide1' });
    const fixed = {};
    blk.attachDevice(fixed);
    expect(await codeOf(close())).toBe('ENOTSUP');
    await blk.detachDevice(fixed);
    await blk.setDevicePermissions();
    const { drive, calls } = attach(blk, { tray: false });
    await close();
    blk.setDeviceOps(drive.ops());
    await close();
    expect(calls).toEqual([]);
    await blockdevOpenTray({ device: 'ide1' });
    calls.length = 0;
    drive.refusal = new Error('dusty');
    await expect(close()).rejects.toThrow('dusty');
    expect([calls, blk.isTrayOpen]).toEqual([['load'], true]);
    await close();
    expect(calls).toEqual(['load', 'load', 'tray closed']);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('MED-10: removing: not from a fixed drive, not with the tray closed, not while it is blocked', async () => {
    await using blk = await open();
    const remove = () => blockdevRemoveMedium({ device: 'ide1' });
    const fixed = {};
    blk.attachDevice(fixed);
    expect(await codeOf(remove())).toBe('ENOTSUP');
    await blk.detachDevice(fixed);
    attach(blk);
    const refusal = await remove().catch((error: BlockError) => error);
    expect(refusal).toMatchObject({ code: 'EBUSY' });
    expect((refusal as Error).message).toContain("tray of block device 'ide1' is not open");
    await blockdevOpenTray({ device: 'ide1' });
    const reason = { message: 'it is being copied' };
    blk.opBlock('eject', reason);
    expect(await codeOf(remove())).toBe('EBUSY');
    blk.opUnblock('eject', reason);
    await remove();
    expect(blk.root).toBeUndefined();
    // Empty.
    await remove();
  });

  test('MED-10: without a device there is no tray in the way', async () => {
    await using blk = await open();
    await blockdevRemoveMedium({ device: 'ide1' });
    expect(blk.root).toBeUndefined();
  });

  test('MED-11: a device without a tray hears of it after the medium went, one with a tray does not', async () => {
    await using blk = await open();
    const { drive, calls } = attach(blk, { tray: false });
    const seen: unknown[] = [];
    const ops = drive.ops({ tray: false });
    blk.setDeviceOps({
      ...ops,
      changeMedia(load) {
        seen.push(load, blk.root);
      },
    });
    await blockdevRemoveMedium({ device: 'ide1' });
    expect(seen).toEqual([false, undefined]);
    blk.setDeviceOps(drive.ops());
    const node = await monitorNode(fastDisk());
    drive.trayOpen = true;
    await blk.insert(node);
    await blockdevRemoveMedium({ device: 'ide1' });
    expect([calls, blk.root]).toEqual([[], undefined]);
    await dropMonitorNode(node);
  });

  test('MED-12: eject is open and remove; a locked tray is an error after the guest was asked', async () => {
    await using blk = await open(slowDisk(undefined, { 'node-name': 'disk' }));
    const { drive, calls } = attach(blk);
    drive.locked = true;
    const refusal = await eject({ device: 'ide1' }).catch((error: BlockError) => error);
    expect(refusal).toMatchObject({ code: 'EINPROGRESS' });
    expect((refusal as Error).message).toContain('locked');
    expect([calls, blk.root?.name]).toEqual([['eject request, force false'], 'disk']);
    calls.length = 0;
    const read = blk.pread(0, sector);
    await eject({ device: 'ide1', force: true });
    expect(calls).toEqual(['eject request, force true', 'unload', 'tray open']);
    expect([blk.root, await read]).toEqual([undefined, 512]);
  });

  test('MED-13: an empty drive is ejected without an error, and without an event when it is open', async () => {
    await using blk = empty();
    const { calls } = attach(blk);
    await eject({ device: 'ide1' });
    await eject({ device: 'ide1' });
    expect(calls).toEqual(['unload', 'tray open']);
  });

  test('MED-14: inserting: no such node, in use, not removable, tray closed, occupied, in this order', async () => {
    await using blk = await open();
    const free = await monitorNode(fastDisk({ 'node-name': 'free' }));
    await using holder = await BlockBackend.open(fastDisk({ 'node-name': 'held' }));
    const insert = (name: string) =>
      blockdevInsertMedium({ device: 'ide1', 'node-name': name }).then(
        () => 'inserted',
        ({ code, message }: BlockError) => `${code} ${message}`,
      );
    const fixed = {};
    blk.attachDevice(fixed);
    expect(await insert('none')).toMatch(/^ENOENT .*'none'/);
    expect(await insert('held')).toMatch(/^EBUSY .*'held' is in use/);
    expect(await insert('free')).toMatch(/^ENOTSUP .*not removable/);
    await blk.detachDevice(fixed);
    const { drive } = attach(blk);
    expect(await insert('free')).toMatch(/^EBUSY .*not open/);
    drive.trayOpen = true;
    expect(await insert('free')).toMatch(/^EBUSY .*has a medium/);
    await blockdevRemoveMedium({ device: 'ide1' });
    expect(await insert('free')).toBe('inserted');
    expect([blk.root, holder.root?.name]).toEqual([free, 'held']);
    await blk.remove();
    await dropMonitorNode(free);
  });

  test('MED-15: a device without a tray sees the medium, and may refuse it: then it is taken out', async () => {
    await using blk = empty();
    const { drive } = attach(blk, { tray: false });
    const node = await monitorNode(fastDisk({ 'node-name': 'floppy' }));
    const seen: unknown[] = [];
    const ops = drive.ops({ tray: false });
    blk.setDeviceOps({
      ...ops,
      changeMedia(load) {
        seen.push(load, blk.root?.name);
        return ops.changeMedia?.(load);
      },
    });
    drive.refusal = new Error('wrong density');
    const request = { id: 'cd0', 'node-name': 'floppy' };
    await expect(blockdevInsertMedium(request)).rejects.toThrow('wrong density');
    expect([seen, blk.root, node.isClosed]).toEqual([[true, 'floppy'], undefined, false]);
    await blockdevInsertMedium(request);
    expect([seen, blk.root]).toEqual([[true, 'floppy', true, 'floppy'], node]);
    await blockdevRemoveMedium({ id: 'cd0' });
    await dropMonitorNode(node);
  });

  test.each([
    ['a missing file', { filename: '/nowhere/none.img' }, 'ENOENT'],
    ['an unknown format', { filename: '/nowhere/none.img', format: 'qcow7' }, 'EINVAL'],
  ])('MED-16: with %s nothing happens to the old medium', async (_what, image, code) => {
    await using blk = await open();
    const { calls } = attach(blk);
    expect(await codeOf(blockdevChangeMedium({ device: 'ide1', ...image }))).toBe(code);
    expect([calls, blk.root?.name, blk.isTrayOpen]).toEqual([[], 'disk', false]);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('MED-17: changing is open, remove, insert, close, with an event for each move of the tray', async () => {
    await using blk = await open();
    const { calls } = attach(blk);
    const filename = newImage();
    const request = { device: 'ide1', filename, format: 'raw' };
    const order: string[] = [];
    const removed = () => order.push(`removed with the tray open: ${blk.isTrayOpen}`);
    const put = () => order.push(`inserted with the tray open: ${blk.isTrayOpen}`);
    blk.addRemoveNotifier(removed);
    blk.addInsertNotifier(put);
    await blockdevChangeMedium(request);
    expect(calls).toEqual(['unload', 'tray open', 'load', 'tray closed']);
    expect(order).toEqual([
      'removed with the tray open: true',
      'inserted with the tray open: true',
    ]);
    expect([(await inserted())?.file, blk.root?.readOnly]).toEqual([filename, false]);
    await blk.pread(0, sector);
    expect(sector[0]).toBe(0x11);
    await blockdevOpenTray({ device: 'ide1' });
    calls.length = 0;
    await blockdevChangeMedium({ ...request, filename: newImage() });
    expect(calls).toEqual(['load', 'tray closed']);
    blk.removeRemoveNotifier(removed);
    blk.removeInsertNotifier(put);
  });

  test('MED-15: a device that writes what it can takes its permissions anew with each medium', async () => {
    await using blk = await open();
    const floppy = {};
    blk.attachDevice(floppy, 'fd0');
    const held: string[][] = [];
    blk.setDeviceOps({
      async changeMedia(load) {
        if (load) await blk.setDevicePermissions();
        else
          await blk.setPermissions([], ['consistent-read', 'write', 'write-unchanged', 'resize']);
        held.push(blk.permissions);
      },
    });
    const request = { id: 'fd0', filename: newImage(), format: 'raw' };
    await blockdevChangeMedium({ ...request, 'read-only-mode': 'read-only' });
    await blockdevChangeMedium({ ...request, 'read-only-mode': 'read-write' });
    expect(held).toEqual([[], ['consistent-read'], [], ['consistent-read', 'write']]);
  });

  test('MED-18: an occupied backend takes no other medium, with a device or without', async () => {
    await using blk = await open();
    const node = await monitorNode(fastDisk());
    const insert = () => blockdevInsertMedium({ device: 'ide1', 'node-name': node.name });
    expect(await codeOf(insert())).toBe('EBUSY');
    const { drive } = attach(blk);
    drive.trayOpen = true;
    expect(await codeOf(insert())).toBe('EBUSY');
    expect(blk.root?.name).toBe('disk');
    await dropMonitorNode(node);
  });

  test('MED-19: the next medium is as the last one was, or as read-only-mode says', async () => {
    const image = (name: string, more = {}) => ({
      driver: 'raw',
      file: { driver: 'file', filename: name, ...more },
    });
    await using blk = await open({
      ...image(newImage()),
      'read-only': true,
      'auto-read-only': true,
      discard: 'unmap',
      cache: { 'no-flush': true },
    });
    attach(blk);
    const filename = newImage();
    const change = (mode?: 'retain' | 'read-only' | 'read-write') =>
      blockdevChangeMedium({ device: 'ide1', filename, format: 'raw', 'read-only-mode': mode });
    const state = () => [blk.isReadOnly, ...blk.openFlags];
    await change();
    expect(state()).toEqual([true, 'no-flush', 'unmap']);
    await change('read-write');
    expect(state()).toEqual([false, 'read-write', 'no-flush', 'unmap']);
    await change('retain');
    expect(state()).toEqual([false, 'read-write', 'no-flush', 'unmap']);
    await change('read-only');
    expect(state()).toEqual([true, 'no-flush', 'unmap']);
    expect(await codeOf(change('rw' as never))).toBe('EINVAL');
  });

  test('MED-19: of an empty drive the saved state counts', async () => {
    await using blk = await createDrive({ 'read-only': true, discard: 'unmap' }, settings());
    attach(blk);
    await blockdevChangeMedium({ device: 'ide1', filename: newImage(), format: 'raw' });
    expect([blk.isReadOnly, ...blk.openFlags]).toEqual([true, 'unmap']);
  });

  test('ATT-19: the first medium of an empty drive is opened as its options said', async () => {
    await using blk = await createDrive(
      { 'read-only': true, 'detect-zeroes': 'on', cache: { 'no-flush': true } },
      settings(),
    );
    await blockdevChangeMedium({ device: 'ide1', filename: newImage(), format: 'raw' });
    expect([blk.isReadOnly, ...blk.openFlags]).toEqual([true, 'no-flush']);
    expect(blk.root?.state.detectZeroes).toBe('on');
  });

  test('MED-19: what cannot be written leaves a read-write wish unfulfilled and the old medium in', async () => {
    // A program that runs cannot be written, by nobody.
    const filename = join(folder, `${context().name}-program`);
    copyFileSync('/bin/sleep', filename);
    chmodSync(filename, 0o755);
    const program = spawn(filename, ['60'], { stdio: 'ignore' });
    await new Promise((resolve) => program.once('spawn', resolve));
    try {
      await using blk = await open();
      // As CD drives do, whatever the medium.
      await blk.setPermissions(['consistent-read'], ['consistent-read']);
      const { calls } = attach(blk);
      const request = { device: 'ide1', filename, format: 'raw' };
      expect(
        await codeOf(blockdevChangeMedium({ ...request, 'read-only-mode': 'read-write' })),
      ).toBe('ETXTBSY');
      expect([calls, blk.root?.name]).toEqual([[], 'disk']);
      await blockdevChangeMedium({ ...request, 'read-only-mode': 'read-only' });
      expect(blk.isReadOnly).toBe(true);
    } finally {
      program.kill();
    }
  });

  test.each([
    ['unmap', 'on'],
    ['on', 'on'],
    ['off', 'off'],
  ])('MED-20: detect-zeroes %j is passed on as %j', async (given, passed) => {
    await using blk = await open({
      driver: 'raw',
      'node-name': 'disk',
      'detect-zeroes': given,
      discard: 'unmap',
      file: fastDisk(),
    });
    attach(blk);
    await blockdevChangeMedium({ device: 'ide1', filename: newImage(), format: 'raw' });
    expect((await inserted())?.detect_zeroes).toBe(passed);
    const { explicit } = blk.root?.state ?? { explicit: {} };
    expect(Object.keys(explicit).filter((name) => name.startsWith('cache'))).toEqual([]);
  });

  test('MED-21: a read-write medium in a drive that was read-only is not read-only in a query', async () => {
    await using blk = await open({ ...fastDisk({ 'node-name': 'disk' }), 'read-only': true });
    attach(blk);
    expect((await inserted())?.ro).toBe(true);
    const filename = newImage();
    const request = { device: 'ide1', filename, format: 'raw' };
    await blockdevChangeMedium({ ...request, 'read-only-mode': 'read-write' });
    expect(await inserted()).toMatchObject({ ro: false, file: filename });
  });

  test('MED-22: limits, name and statistics survive a change of the medium', async () => {
    await using blk = await open();
    blk.accountRequests = true;
    attach(blk);
    const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
    await blockSetIoThrottle({ device: 'ide1', iops: 1000, ...none });
    await blk.pread(0, sector);
    await blockdevChangeMedium({ device: 'ide1', filename: newImage(), format: 'raw' });
    expect(await queryBlock()).toMatchObject([
      { device: 'ide1', inserted: { iops: 1000, group: 'ide1' } },
    ]);
    expect([blk.name, blk.stats.rd_operations]).toEqual(['ide1', 1]);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('DEV-22: a medium of another backend is refused by the command, not by the backend', async () => {
    await using holder = await BlockBackend.open(fastDisk({ 'node-name': 'shared' }), {
      context: context(),
    });
    await using blk = empty();
    const request = { device: 'ide1', 'node-name': 'shared' };
    const refusal = await blockdevInsertMedium(request).catch((error: BlockError) => error);
    expect(refusal).toMatchObject({ code: 'EBUSY' });
    expect((refusal as Error).message).toContain("'shared' is in use");
    await blk.insert('shared');
    expect([blk.root, await blk.getLength()]).toEqual([holder.root, await holder.getLength()]);
  });

  test('ATT-12: ejecting an empty drive succeeds, removing from it directly does not', async () => {
    await using blk = empty();
    await expect(blk.remove()).rejects.toBeInstanceOf(BlockUsageError);
    await eject({ device: 'ide1' });
    expect(blk.root).toBeUndefined();
  });

  test('OPB-8: what a job works on is neither ejected nor deleted', async () => {
    await using blk = await open();
    const { calls } = attach(blk);
    const job = new ProbeJob('job');
    await job.attach(blk.root as BlockNode);
    const reason = { message: 'block device is in use by block job: mirror' };
    blk.opBlockAll(reason);
    const refusal = await eject({ device: 'ide1' }).catch((error: BlockError) => error);
    expect(refusal).toMatchObject({ code: 'EBUSY' });
    expect((refusal as Error).message).toContain('in use by block job: mirror');
    expect(await codeOf(blockdevDel('disk'))).toBe('EBUSY');
    expect([calls, blk.root?.name]).toEqual([['unload', 'tray open'], 'disk']);
    blk.opUnblockAll(reason);
    await job.detach();
    await eject({ device: 'ide1' });
    expect(blk.root).toBeUndefined();
  });

  test('MED-17: commands on one drive run one after the other', async () => {
    await using blk = empty();
    const { calls } = attach(blk);
    const filename = newImage();
    const change = blockdevChangeMedium({ device: 'ide1', filename, format: 'raw' });
    const out = eject({ device: 'ide1' });
    await Promise.all([change, out]);
    expect(calls).toEqual([
      ...['unload', 'tray open', 'load', 'tray closed'],
      ...['unload', 'tray open'],
    ]);
    expect(blk.root).toBeUndefined();
  });
});
