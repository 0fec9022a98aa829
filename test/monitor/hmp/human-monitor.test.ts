// Lines of the human monitor, in the words of QEMU where programs read them.
import { join } from 'node:path';
import { BlockBackend, blockdevAdd, blockdevDel } from '../../../lib/index.js';
import { humanMonitorCommand as human } from '../../../lib/monitor/hmp/human-monitor.js';
import { CdDrive } from '../../support/cd-drive.js';
import { scratchFolder } from '../../support/matrix.js';
import { makeImage } from '../../support/requests.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;

afterEach(async () => {
  for (const blk of BlockBackend.all()) await blk.close();
});

const open = (name: string) => BlockBackend.open({ driver: 'null-co', size: MIB }, { name });

describe('lines', () => {
  test.each([
    ['nonesuch', "unknown command: 'nonesuch'\n"],
    ['info nonesuch', "unknown command: 'info nonesuch'\n"],
    ['', ''],
    ['   ', ''],
    ['qemu-io d0', 'qemu-io: string expected\nTry "help qemu-io" for more information\n'],
    [
      'info blockstats d0',
      'blockstats: extraneous characters at the end of line\nTry "help info blockstats" for more information\n',
    ],
    ['qemu-io "d0', 'unterminated string\n'],
    ['qemu-io "d0\\q" x', "unsupported escape code: '\\q'\n"],
    ['stop -x', 'stop: unsupported option -x\nTry "help stop" for more information\n'],
  ])('%j', async (line, printed) => {
    expect(await human(line)).toBe(printed);
  });

  test('help names all of them, or one', async () => {
    const all = await human('help');
    for (const name of ['info block ', 'info blockstats', 'qemu-io', 'drive_add', 'stop|s']) {
      expect(all).toContain(name);
    }
    expect(await human('help stop')).toBe('stop|s -- stop the machine\n');
    expect(await human('help info status')).toMatch(/^info status -- /);
  });
});

describe('drives', () => {
  test('drive_add makes one, drive_del takes it away', async () => {
    const image = makeImage(folder, 'added.img', MIB, 1);
    expect(await human(`drive_add 0 if=none,id=d1,file=${image},format=raw`)).toBe('OK\n');
    expect(BlockBackend.byName('d1')?.root?.driver.name).toBe('raw');
    expect(await human(`drive_add 0 if=none,id=d1,driver=null-co`)).toMatch(/d1/);
    expect(await human('drive_add 0 if=none,id=d2,driver=nonesuch')).toMatch(/nonesuch/);
    expect(await human('drive_del d1')).toBe('');
    expect(BlockBackend.byName('d1')).toBeUndefined();
    expect(await human('drive_del d1')).toMatch(/d1/);
  });

  test('drive_del leaves a device with a drive that is empty and has no name', async () => {
    const blk = await open('disk');
    blk.attachDevice(new CdDrive(), 'cd0');
    blk.setOnError('stop', 'stop');
    expect(await human('drive_del disk')).toBe('');
    expect(blk.name).toBe('');
    expect(blk.root).toBeUndefined();
    expect(BlockBackend.all()).toEqual([blk]);
    expect(blk.getOnError(true)).toBe('report');
  });

  test('drive_del of a node is blockdev-del', async () => {
    await blockdevAdd({ driver: 'null-co', 'node-name': 'n' });
    expect(await human('drive_del n')).toBe('');
    await expect(blockdevDel('n')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('qemu-io works on drives, devices and nodes, and says what qemu-io says', async () => {
    const blk = await open('disk');
    blk.attachDevice({}, 'hd0');
    const read = /^read 512\/512 bytes at offset 0\n512 bytes, 1 ops; /;
    expect(await human('qemu-io disk "read 0 512"')).toMatch(read);
    expect(await human('qemu-io -d hd0 "read 0 512"')).toMatch(read);
    await blockdevAdd({ driver: 'null-co', 'node-name': 'n', size: MIB });
    expect(await human('qemu-io n "read 0 512"')).toMatch(read);
    expect(await human('qemu-io n "write 0 512"')).toMatch(/^wrote 512\/512 bytes/);
    await blockdevDel('n');
    expect(await human('qemu-io none "read 0 512"')).toMatch(/^Error: .*none/);
    expect(await human('qemu-io disk "nonesuch"')).toBe('command "nonesuch" not found\n');
  });

  test('block_resize counts in MiB, eject and limits are the commands of QMP', async () => {
    const image = makeImage(folder, 'resized.img', MIB, 1);
    await human(`drive_add 0 id=d1,file=${image},format=raw`);
    expect(await human('block_resize d1 2')).toBe('');
    expect(BlockBackend.byName('d1')?.getLengthSync()).toBe(2 * MIB);
    expect(await human('block_resize d1 512k')).toBe('');
    expect(BlockBackend.byName('d1')?.getLengthSync()).toBe(MIB / 2);
    expect(await human('block_resize d1 much')).toMatch(/^Error: .*much/);
    expect(await human('block_set_io_throttle d1 0 0 0 100 0 0')).toBe('');
    expect(BlockBackend.byName('d1')?.ioLimits?.['iops-total']).toBe(100);
    expect(await human('eject d1')).toBe('');
    expect(BlockBackend.byName('d1')?.root).toBeUndefined();
    expect(await human('eject none')).toMatch(/^Error: .*none/);
    expect(await human(`commit ${join('d', '1')}`)).toMatch(/d\/1/);
    expect(await human('commit all')).toBe('');
  });
});

test('the machine stops, and goes on', async () => {
  expect(await human('info status')).toBe('VM status: running\n');
  expect(await human('s')).toBe('');
  expect(await human('info status')).toBe('VM status: paused\n');
  expect(await human('c')).toBe('');
  expect(await human('info status')).toBe('VM status: running\n');
});
