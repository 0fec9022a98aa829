// Images that are made and deleted.
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BackendSettings,
  BlockBackend,
  blockdevCreate,
  createImage,
  deleteImage,
  flushAll,
  probe,
} from '../../lib/index.js';
import {
  holdWithOurs,
  holdWithTool,
  kernelLocks,
  runTool,
  toolArguments,
} from '../support/locks.js';
import { attachLoop, describeWithLoop, detachLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { codeOf, makeImage } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;
const at = (name: string): string => join(folder, name);
const create = (filename: string, size: number, more = {}): Promise<void> =>
  blockdevCreate({ driver: 'file', filename, size, ...more });

test('FILE-19: a new file has mode 0644 and exactly the size', async () => {
  const before = process.umask(0);
  try {
    await create(at('new.img'), 1000);
  } finally {
    process.umask(before);
  }
  expect([statSync(at('new.img')).mode & 0o7777, statSync(at('new.img')).size]).toEqual([
    0o644, 1000,
  ]);
  expect(kernelLocks(at('new.img'))).toEqual([]);
});

test('FILE-19: an old file is emptied first, whatever its size', async () => {
  for (const size of [512, 65536, MIB]) {
    const filename = makeImage(folder, 'old.img', 65536);
    await create(filename, size);
    expect(readFileSync(filename).equals(Buffer.alloc(size))).toBe(true);
  }
});

test('FILE-19: space as the preallocation says', async () => {
  const space = async (preallocation: string): Promise<number> => {
    await create(at(`${preallocation}.img`), MIB, { preallocation });
    expect(statSync(at(`${preallocation}.img`)).size).toBe(MIB);
    return statSync(at(`${preallocation}.img`)).blocks * 512;
  };
  expect(await space('off')).toBeLessThanOrEqual(65536);
  expect(await space('falloc')).toBeGreaterThanOrEqual(MIB);
  expect(await space('full')).toBeGreaterThanOrEqual(MIB);
  expect(await codeOf(create(at('no.img'), MIB, { preallocation: 'metadata' }))).toBe('ENOTSUP');
  expect(existsSync(at('no.img'))).toBe(false);
});

test('FILE-19: what the file system does not know is ignored; what nobody knows is not', async () => {
  await create(at('hints.img'), 4096, { nocow: true, 'extent-size-hint': 65536 });
  expect(statSync(at('hints.img')).size).toBe(4096);
  expect(await codeOf(create(at('x.img'), -1))).toBe('ERR_OUT_OF_RANGE');
  expect(await codeOf(create(at('x.img'), 1, { preallocation: 'all' }))).toBe(
    'ERR_INVALID_ARG_VALUE',
  );
  expect(await codeOf(create('', 1))).toBe('ERR_INVALID_ARG_VALUE');
  expect(await codeOf(create(at('no/such/folder'), 1))).toBe('ENOENT');
  expect(await codeOf(blockdevCreate({ driver: 'null-co', filename: 'x', size: 1 }))).toBe(
    'ENOTSUP',
  );
});

describeWith(['strace'], 'system calls', () => {
  const stepOf = (line: string): string => {
    if (line.includes('openat(')) return 'open';
    if (line.includes('SETLK')) return line.includes('F_UNLCK') ? 'unlock' : 'lock';
    if (line.includes('GETLK')) return 'ask';
    if (line.includes('ftruncate(')) return /, 0\)/.test(line) ? 'empty' : 'resize';
    if (line.includes('XATTR')) return 'hint';
    return line.includes('FS_IOC') ? 'nocow' : '';
  };
  const steps = async (more: object): Promise<string[]> => {
    const filename = makeImage(folder, 'traced.img', 65536);
    const options = JSON.stringify({ driver: 'file', filename, size: 4096, ...more });
    const { lines } = await traced(`await require('block-backend').blockdevCreate(${options});`, {
      filename,
      trace: 'openat,fcntl,ftruncate,ioctl',
    });
    const all = lines.map(stepOf).filter((step) => step !== '');
    // What is asked before the first lock is whether there are such locks.
    const locked = all.slice(all.indexOf('lock'));
    return locked.filter((step, index) => step !== locked[index - 1]);
  };

  test('FILE-19: locks, empties, hints, resizes, in this order', async () => {
    const nocow = { nocow: true };
    const order = ['lock', 'ask', 'empty', 'nocow', 'hint', 'resize', 'unlock'];
    expect(await steps(nocow)).toEqual(order);
    const none = await steps({ 'extent-size-hint': 0 });
    expect(none).toEqual(['lock', 'ask', 'empty', 'resize', 'unlock']);
  });

  test.each([
    [{}, 1048576],
    [{ 'extent-size-hint': 65536 }, 65536],
  ])('FILE-19: of %j the hint for the size of extents is %i', async (more, hint) => {
    const filename = makeImage(folder, 'hinted.img', 65536);
    const options = JSON.stringify({ driver: 'file', filename, size: 4096, ...more });
    const { lines } = await traced(`await require('block-backend').blockdevCreate(${options});`, {
      filename,
      trace: 'ioctl',
      inject: 'ioctl:retval=0',
    });
    const hints = lines.filter((line) => line.includes('FSSETXATTR'));
    expect(hints.map((line) => /fsx_extsize=(\d+)/.exec(line)?.[1])).toEqual([String(hint)]);
  });
});

test('FILE-20: the old way rounds the size up to sectors, the typed one does not', async () => {
  await createImage(at('legacy.img'), { size: 1000 });
  expect(statSync(at('legacy.img')).size).toBe(1024);
  await createImage({ driver: 'file', filename: at('legacy.img') }, { size: 513 });
  expect(statSync(at('legacy.img')).size).toBe(1024);
  await createImage(at('legacy.img'), { size: 1024 });
  expect(statSync(at('legacy.img')).size).toBe(1024);
  await create(at('typed.img'), 1000);
  expect(statSync(at('typed.img')).size).toBe(1000);
});

test('FILE-21: a regular file is deleted, anything else is ENOENT and stays', async () => {
  const filename = makeImage(folder, 'victim.img', 512);
  await deleteImage(filename);
  expect(existsSync(filename)).toBe(false);
  expect(await codeOf(deleteImage(filename))).toBe('ENOENT');
  mkdirSync(at('folder'));
  symlinkSync(at('nowhere'), at('link'));
  for (const other of [at('folder'), at('link'), '/dev/null']) {
    expect(await codeOf(deleteImage(other))).toBe('ENOENT');
  }
  expect([existsSync(at('folder')), existsSync('/dev/null')]).toEqual([true, true]);
  expect(await codeOf(deleteImage('null-co://'))).toBe('ENOTSUP');
});

test('FILE-23: a temporary file has no name as soon as it is open', async () => {
  const filename = makeImage(folder, 'temporary.img', 4096);
  const file = { driver: 'file', filename, 'x-temporary': true };
  await using blk = await BlockBackend.open({ driver: 'raw', file });
  expect(existsSync(filename)).toBe(false);
  await blk.pwrite(0, Buffer.from('still here'));
  const read = Buffer.alloc(11);
  await blk.pread(0, read);
  expect(read.toString()).toBe('still hered');
});

/** Others that resizing would disturb: one resizes itself, one wants nobody to, one nobody to write. */
const DISTURBED: readonly BackendSettings[] = [
  { resize: true },
  { shared: ['consistent-read', 'write', 'write-unchanged'] },
  { shared: ['consistent-read'] },
];

test('LOCK-17: a file that another process of ours needs as it is keeps its content', async () => {
  const options = { driver: 'file', filename: makeImage(folder, 'held.img', 65536) };
  const { filename } = options;
  for (const settings of DISTURBED) {
    const holder = await holdWithOurs(options, settings, filename);
    try {
      expect(await codeOf(create(filename, 512))).toBe('EAGAIN');
      expect(await codeOf(createImage(filename, { size: 512 }))).toBe('EAGAIN');
      expect(readFileSync(filename).equals(Buffer.alloc(65536, 0x64))).toBe(true);
    } finally {
      await holder.release();
    }
  }
  await create(filename, 512);
  expect(statSync(filename).size).toBe(512);
});

test('LOCK-17: so does one that this process has open', async () => {
  const filename = makeImage(folder, 'ours.img', 65536);
  for (const settings of DISTURBED) {
    await using _blk = await BlockBackend.open({ driver: 'file', filename }, settings);
    expect(await codeOf(create(filename, 512))).toBe('EAGAIN');
    expect(statSync(filename).size).toBe(65536);
  }
});

describeWith(['qemu-img', 'qemu-io'], 'against the genuine tools', () => {
  test('LOCK-17: an image that qemu-io has open is refused as qemu-img refuses it', async () => {
    const filename = at('tool.qcow2');
    expect(runTool('qemu-img', ['create', '-q', '-f', 'qcow2', filename, '1M']).ok).toBe(true);
    const before = readFileSync(filename);
    const holder = await holdWithTool('qemu-io', toolArguments('qcow2', 'rw', filename), filename);
    try {
      expect(await codeOf(create(filename, 512))).toBe('EAGAIN');
      expect(runTool('qemu-img', ['create', '-q', '-f', 'raw', filename, '512']).ok).toBe(false);
      expect(readFileSync(filename).equals(before)).toBe(true);
    } finally {
      await holder.release();
    }
    await create(filename, 512);
    expect(runTool('qemu-img', ['create', '-q', '-f', 'raw', filename, '512']).ok).toBe(true);
  });
});

test('GRAPH-35: a node whose driver cannot create grows if it can; its first sector is zeroed', async () => {
  const memory = { driver: 'x-probe', 'node-name': 'made', size: 4096 };
  await using other = await BlockBackend.open(memory);
  await other.pwrite(0, Buffer.alloc(4096, 'o'));
  const file = { driver: 'raw', file: 'made' };
  await createImage(file, { size: 8000 });
  expect(await other.getLength()).toBe(8192);
  const read = Buffer.alloc(1024);
  await other.pread(0, read);
  expect(read.toString('latin1')).toBe('\0'.repeat(512) + 'o'.repeat(512));
  expect(probe('made').counters()).toMatchObject({ truncate: 1, pwriteZeroes: 1 });
  expect(await codeOf(createImage(file, { size: 512, preallocation: 'full' }))).toBe('ENOTSUP');
});

test('GRAPH-35: one that cannot grow serves if it is large enough, and is ENOTSUP if not', async () => {
  const image = { driver: 'null-co', size: 4096 };
  expect(await codeOf(createImage(image, { size: 4096 }))).toBe('none');
  expect(await codeOf(createImage(image, { size: 4097 }))).toBe('ENOTSUP');
});

describeWithLoop('GRAPH-35 on a loop device', () => {
  test('GRAPH-35: a device serves if it is large enough, and cannot grow if not', async () => {
    const filename = makeImage(folder, 'loop.img', 65536);
    const device = attachLoop(filename);
    try {
      const name = `host_device:${device}`;
      expect(await codeOf(createImage(name, { size: 65537 }))).toBe('EINVAL');
      await createImage(name, { size: 65536 });
      await createImage({ driver: 'host_device', filename: device }, { size: 512 });
    } finally {
      detachLoop(device);
    }
    const content = readFileSync(filename);
    expect(content.subarray(0, 1024)).toEqual(
      Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 0x64)]),
    );
    expect(content.length).toBe(65536);
  });
});

onEveryEngineAndHome((context) => {
  test('FLUSH-9: everything at the top is flushed; the first error is told, and stops nobody', async () => {
    const open = (name: string): Promise<BlockBackend> => {
      const file = { driver: 'x-probe', 'node-name': name };
      return BlockBackend.open({ driver: 'raw', file }, { context: context() });
    };
    await using one = await open('one');
    await using two = await open('two');
    await using three = await open('three');
    const held = await monitorNode({ driver: 'x-probe' });
    const disks = [one, two, three];
    const write = () => Promise.all(disks.map((blk) => blk.pwrite(0, Buffer.from('x'))));
    const flushes = () => ['one', 'two', 'three'].map((name) => probe(name).calls('flush'));
    await write();
    await flushAll();
    expect(flushes()).toEqual([1, 1, 1]);
    await write();
    probe('one').failNext('flush', 'ENOSPC');
    probe('two').failNext('flush', 'EIO');
    expect(await codeOf(flushAll())).toBe('ENOSPC');
    expect(flushes()).toEqual([2, 2, 2]);
    await dropMonitorNode(held);
  });
});
