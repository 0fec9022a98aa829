// Drives with removable media on stand-ins for v86's.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BlockBackend,
  blockdevChangeMedium,
  blockdevCloseTray,
  blockdevOpenTray,
  blockdevRemoveMedium,
  blockEvents,
  eject,
} from '../../lib/index.js';
import { CdRom, Floppy, type IdeDisk, type V86Emulator } from '../../lib/v86/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';

const folder = scratchFolder();

/** As much of v86's drive as the adapter uses. */
class FakeDrive {
  buffer: IdeDisk | null = null;

  set_cdrom(buffer: object): void {
    this.buffer = buffer as IdeDisk;
  }

  eject(): void {
    this.buffer = null;
  }

  /** What a guest reads. */
  peek(): Promise<string> {
    const { buffer } = this;
    if (buffer === null) return Promise.resolve('no medium');
    return new Promise((resolve) => {
      buffer.get(0, 8, (data) => resolve(Buffer.from(data).toString()));
    });
  }
}

const machineWith = (cdrom: FakeDrive | undefined): V86Emulator => ({
  v86: { cpu: { devices: { cdrom } } },
});

function medium(name: string): string {
  const path = join(folder, `${name}.iso`);
  writeFileSync(path, `medium ${name}`.padEnd(10_000));
  return path;
}

onEveryEngineAndHome((context) => {
  const openMedium = (name: string) => {
    const file = { driver: 'file', filename: medium(name) };
    const settings = { context: context(), name: 'cd' };
    return BlockBackend.open({ driver: 'raw', 'read-only': true, file }, settings);
  };

  test('v86: the medium is in the drive, and a change puts another one there', async () => {
    await using blk = await openMedium('A');
    const drive = new FakeDrive();
    const moved: boolean[] = [];
    const hear = (event: { 'tray-open': boolean }) => moved.push(event['tray-open']);
    blockEvents.on('DEVICE_TRAY_MOVED', hear);
    const cd = await CdRom.attach(machineWith(drive), blk);
    expect([await drive.peek(), drive.buffer?.byteLength]).toEqual(['medium A', 10_240]);
    await blockdevChangeMedium({ id: 'ide1-cd0', filename: medium('B'), format: 'raw' });
    expect([await drive.peek(), moved]).toEqual(['medium B', [true, false]]);
    await eject({ id: 'ide1-cd0' });
    expect([await drive.peek(), cd.isTrayOpen, moved]).toEqual([
      'no medium',
      true,
      [true, false, true],
    ]);
    await blockdevCloseTray({ id: 'ide1-cd0' });
    expect([await drive.peek(), cd.isTrayOpen]).toEqual(['no medium', false]);
    blockEvents.off('DEVICE_TRAY_MOVED', hear);
    await cd.detach();
  });

  test('v86: an empty drive is attached empty, and takes the first medium', async () => {
    await using blk = new BlockBackend({ context: context(), name: 'cd' });
    const drive = new FakeDrive();
    const cd = await CdRom.attach(machineWith(drive), blk, { id: 'cd7' });
    expect([await drive.peek(), cd.isTrayOpen]).toEqual(['no medium', false]);
    await blockdevChangeMedium({ id: 'cd7', filename: medium('C'), format: 'raw' });
    expect(await drive.peek()).toBe('medium C');
    await cd.detach();
    expect(await drive.peek()).toBe('no medium');
  });

  test('v86: when the guest itself ejects, the tray counts as open', async () => {
    await using blk = await openMedium('A');
    const drive = new FakeDrive();
    const cd = await CdRom.attach(machineWith(drive), blk);
    drive.eject();
    expect(cd.isTrayOpen).toBe(true);
    await blockdevRemoveMedium({ id: 'ide1-cd0' });
    expect(blk.root).toBeUndefined();
    await blockdevOpenTray({ id: 'ide1-cd0' });
    await cd.detach();
  });

  test('v86: a drive is attached once, to a machine that has one', async () => {
    await using blk = await openMedium('A');
    await expect(CdRom.attach(machineWith(undefined), blk)).rejects.toThrow('no CD-ROM drive');
    const cd = await CdRom.attach(machineWith(new FakeDrive()), blk);
    expect(await codeOf(CdRom.attach(machineWith(new FakeDrive()), blk))).toBe('EBUSY');
    await cd.detach();
  });

  describe('a floppy', () => {
    const FLOPPY = 1_474_560;

    /** Takes one size as it is, and copies smaller ones, as v86's does. */
    class FakeFloppy {
      buffer: object | null = null;
      readOnly: boolean | undefined;

      insert_disk(buffer: { byteLength: number }, readOnly: boolean): boolean {
        if (buffer.byteLength > FLOPPY) return false;
        this.buffer = buffer.byteLength === FLOPPY ? buffer : {};
        this.readOnly = readOnly;
        return true;
      }

      eject_disk(): void {
        this.buffer = null;
      }
    }

    const machine = (drives: readonly FakeFloppy[]): V86Emulator => ({
      v86: { cpu: { devices: { fdc: { drives } } } },
    });
    const open = (size: number, more = {}) =>
      BlockBackend.open({ driver: 'null-co', size, ...more }, { context: context(), name: 'fd' });

    test('v86: a medium of the right size is inserted, to be written if the backend may', async () => {
      for (const readOnly of [false, true]) {
        await using blk = await open(FLOPPY, { 'read-only': readOnly });
        const drive = new FakeFloppy();
        const floppy = await Floppy.attach(machine([drive]), blk);
        expect([drive.readOnly, floppy.isTrayOpen]).toEqual([readOnly, false]);
        await eject({ id: 'floppy0' });
        expect([drive.buffer, floppy.isTrayOpen]).toEqual([null, true]);
        await floppy.detach();
      }
    });

    test('v86: one of another size is refused, and the drive stays free', async () => {
      for (const size of [FLOPPY - 512, FLOPPY + 512]) {
        await using blk = await open(size);
        const drive = new FakeFloppy();
        const attaching = Floppy.attach(machine([new FakeFloppy(), drive]), blk, { index: 1 });
        await expect(attaching).rejects.toThrow(`a floppy of ${size} bytes does not exist`);
        expect([drive.buffer, blk.device]).toEqual([null, undefined]);
      }
    });
  });
});
