// Images that are open for writing only while somebody writes.
import { chmodSync, realpathSync } from 'node:fs';
import { graph } from '../../lib/graph/graph.js';
import {
  activateAll,
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  blockdevReopen,
  graphDump,
  inactivateAll,
} from '../../lib/index.js';
import { kernelLocks, lockedBytes } from '../support/locks.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { describeMounted, remount, tinyTmpfs } from '../support/mounts.js';
import { permissions } from '../support/permissions.js';
import { program } from '../support/program.js';
import { codeOf, makeImage, openFlags } from '../support/requests.js';
import { until } from '../support/waiting.js';

const folder = realpathSync(scratchFolder());
const MIB = 1 << 20;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_RDWR = 2;

/** Of the only descriptor of the file: others are about to be closed. */
async function accessMode(filename: string): Promise<number | undefined> {
  await until(() => openFlags(filename).length === 1);
  return openFlags(filename).map((flags) => flags & O_ACCMODE)[0];
}

onEveryEngineAndHome((context) => {
  const open = (
    options: BlockdevOptions | string,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> => BlockBackend.open(options, { context: context(), ...settings });
  const pair = (wants: string, shares = 'CR W WU RZ'): BackendSettings => ({
    permissions: permissions(wants),
    shared: permissions(shares),
  });
  const auto = (filename: string, name: string): BlockdevOptions => ({
    driver: 'file',
    filename,
    'node-name': name,
    'auto-read-only': true,
  });

  test.each(['W', 'WU', 'RZ'])(
    'FILE-3: a user that needs %s opens the image for writing, and when it leaves it is closed',
    async (needs) => {
      const filename = makeImage(folder, 'users.img', MIB);
      await using reader = await open(auto(filename, 'users'), pair('CR'));
      expect(await accessMode(filename)).toBe(O_RDONLY);
      const writer = await open('users', pair(needs));
      expect(await accessMode(filename)).toBe(O_RDWR);
      await writer.close();
      expect(await accessMode(filename)).toBe(O_RDONLY);
      expect(await reader.pread(0, Buffer.alloc(512))).toBe(512);
    },
  );

  test('FILE-3: it stays open for writing until the last of several writers leaves', async () => {
    const filename = makeImage(folder, 'last.img', MIB);
    const file = auto(filename, 'last');
    await using reader = await open({ driver: 'raw', 'node-name': 'top', file }, pair('CR'));
    const modes = [await accessMode(filename)];
    const first = await open('top', pair('CR W'));
    modes.push(await accessMode(filename));
    const second = await open('last', pair('CR W'));
    expect(await first.pwrite(0, Buffer.alloc(512, 1))).toBe(512);
    await first.close();
    modes.push(await accessMode(filename));
    expect(await second.pwrite(512, Buffer.alloc(512, 2))).toBe(512);
    await second.remove();
    modes.push(await accessMode(filename));
    expect(modes).toEqual([O_RDONLY, O_RDWR, O_RDWR, O_RDONLY]);
    const data = Buffer.alloc(1024);
    expect(await reader.pread(0, data)).toBe(1024);
    expect(data.equals(Buffer.alloc(1024, 1).fill(2, 512))).toBe(true);
    await second.close();
  });

  test('FILE-3: permissions that change, a medium, a migration: whatever makes it written', async () => {
    const filename = makeImage(folder, 'ways.img', MIB);
    await using blk = await open(auto(filename, 'ways'), { name: 'guest', ...pair('CR') });
    const modes: (number | undefined)[] = [];
    for (const step of [
      () => blk.setPermissions(permissions('CR W'), permissions('CR')),
      () => inactivateAll(),
      () => activateAll(),
      () => blk.inactivate(),
      () => blk.activate(),
      () => blk.setPermissions(permissions('CR'), permissions('CR')),
    ]) {
      await step();
      modes.push(await accessMode(filename));
    }
    expect(modes).toEqual([O_RDWR, O_RDONLY, O_RDWR, O_RDONLY, O_RDWR, O_RDONLY]);
    await using writer = new BlockBackend({ context: context(), ...pair('CR W') });
    await blk.setPermissions(permissions('CR'), permissions('CR W'));
    await writer.insert('ways');
    expect(await accessMode(filename)).toBe(O_RDWR);
    expect(await writer.pwrite(0, Buffer.alloc(512))).toBe(512);
    await writer.remove();
    expect(await accessMode(filename)).toBe(O_RDONLY);
    // A reopen may change the option itself.
    await blockdevReopen([{ ...auto(filename, 'ways'), 'auto-read-only': false }]);
    expect(await accessMode(filename)).toBe(O_RDWR);
    await blockdevReopen([auto(filename, 'ways')]);
    expect(await accessMode(filename)).toBe(O_RDONLY);
  });

  test('FILE-3: a writer that is refused leaves it open for reading, and the locks as they were', async () => {
    const filename = makeImage(folder, 'refused.img', MIB);
    await using blk = await open(auto(filename, 'refused'), { name: 'guest', ...pair('CR', 'CR') });
    const before = [graphDump(), kernelLocks(filename)];
    expect(await codeOf(open('refused', pair('CR W')))).toBe('EPERM');
    expect([graphDump(), kernelLocks(filename)]).toEqual(before);
    expect(await accessMode(filename)).toBe(O_RDONLY);
    await blk.setPermissions(permissions('CR'), permissions('CR W WU RZ'));
    // Another user of the file, which only locks tell.
    const strict = { driver: 'file', filename, 'read-only': true };
    await using other = await open(strict, pair('CR', 'CR WU RZ'));
    const locks = [graphDump(), kernelLocks(filename)];
    expect(await codeOf(open('refused', pair('CR W')))).toBe('EAGAIN');
    expect(await codeOf(blk.setPermissions(permissions('CR W'), []))).toBe('EAGAIN');
    expect([graphDump(), kernelLocks(filename)]).toEqual(locks);
    await other.close();
    expect(await accessMode(filename)).toBe(O_RDONLY);
    expect(lockedBytes(filename)).toEqual([100]);
  });

  test('FILE-3: a writer can leave although the image cannot be opened again', async () => {
    const filename = makeImage(folder, 'stays.img', MIB);
    await using reader = await open(auto(filename, 'stays'), pair('CR'));
    const writer = await open('stays', pair('CR W'));
    const prepare = jest.spyOn(graph().environment.binding, 'nodeReopenPrepare');
    try {
      prepare.mockImplementationOnce(() => {
        throw new Error('too many open files');
      });
      await writer.close();
      expect(prepare).toHaveBeenCalledTimes(1);
    } finally {
      prepare.mockRestore();
    }
    expect(await accessMode(filename)).toBe(O_RDWR);
    expect(lockedBytes(filename)).toEqual([100]);
    // The next change tries again.
    await reader.setPermissions(permissions('CR'), permissions('CR W WU'));
    expect(await accessMode(filename)).toBe(O_RDONLY);
  });

  test('FILE-3: requests under way finish on the descriptor that they began with', async () => {
    const filename = makeImage(folder, 'busy.img', MIB);
    await using reader = await open(auto(filename, 'busy'), pair('CR'));
    for (let round = 0; round < 5; round += 1) {
      const reads = Array.from({ length: 32 }, (_, i) =>
        reader.pread(i * 4096, Buffer.alloc(4096)),
      );
      const writer = await open('busy', pair('CR W'));
      const writes = Array.from({ length: 32 }, (_, i) =>
        writer.pwrite(i * 4096, Buffer.alloc(4096)),
      );
      const closed = writer.close();
      expect(await Promise.all([...reads, ...writes])).toEqual(new Array(64).fill(4096));
      await closed;
      expect(await accessMode(filename)).toBe(O_RDONLY);
    }
  });
});

const sealed = tinyTmpfs(4 << 20);

describeMounted('on a read-only file system', sealed, () => {
  test('FILE-4: auto-read-only=on: who only reads is served, a writer is EACCES and changes nothing', async () => {
    remount(sealed, 'rw');
    const filename = makeImage(sealed.folder, 'unwritable.img', 4096, 0x31);
    remount(sealed, 'ro');
    const options = { driver: 'file', filename, 'auto-read-only': true, 'node-name': 'unwritable' };
    await using reader = await BlockBackend.open(options, { permissions: permissions('CR') });
    const before = [graphDump(), kernelLocks(filename)];
    for (const needs of ['W', 'WU', 'RZ', 'CR W']) {
      const writer = { permissions: permissions(needs) };
      expect(await codeOf(BlockBackend.open('unwritable', writer))).toBe('EACCES');
      expect([graphDump(), kernelLocks(filename)]).toEqual(before);
      expect(await accessMode(filename)).toBe(O_RDONLY);
    }
    const data = Buffer.alloc(4096);
    expect(await reader.pread(0, data)).toBe(4096);
    expect(data.equals(Buffer.alloc(4096, 0x31))).toBe(true);
    // Once it can be written, it is.
    remount(sealed, 'rw');
    await using writer = await BlockBackend.open('unwritable');
    expect(await writer.pwrite(0, Buffer.alloc(512))).toBe(512);
  });
});

/** Runs a program in which `attempt()` is somebody who may only read the file. */
function asReader(filename: string, attempts: string): Promise<unknown> {
  chmodSync(folder, 0o755);
  chmodSync(filename, 0o444);
  return program(`
    const { BlockBackend, createDrive } = require('block-backend');
    if (process.getuid() === 0) process.setuid(65534);
    const filename = ${JSON.stringify(filename)};
    const outcome = (opening) => opening.then(
      async (blk) => {
        await blk.pread(0, Buffer.alloc(512));
        await blk.close();
        return 'none';
      },
      ({ code }) => code,
    );
    (async () => console.log(JSON.stringify(${attempts})))();`);
}

test('FILE-4: a drive has auto-read-only on, a node off', async () => {
  const filename = makeImage(folder, 'drive.img', 4096);
  const reading = "{ permissions: ['consistent-read'] }";
  expect(
    await asReader(
      filename,
      `[
      await outcome(createDrive({ file: filename }, ${reading})),
      await outcome(createDrive({ driver: 'raw', file: { driver: 'file', filename } }, ${reading})),
      await outcome(createDrive({ file: filename, 'auto-read-only': false }, ${reading})),
      await outcome(BlockBackend.open({ driver: 'raw', file: { driver: 'file', filename } }, ${reading})),
    ]`,
    ),
  ).toEqual(['none', 'none', 'EACCES', 'EACCES']);
});

test('FILE-27: only the first prefix of a name is a protocol', async () => {
  const filename = makeImage(folder, 'foo:bar', 4096);
  expect(
    await asReader(
      filename,
      `[
      await outcome(BlockBackend.open({ filename: 'file:' + filename, 'read-only': true, driver: 'raw' })),
      await (process.chdir(require('path').dirname(filename)),
        outcome(BlockBackend.open({ filename: 'file:foo:bar', 'read-only': true, driver: 'raw' }))),
      await outcome(BlockBackend.open({ driver: 'file', filename: 'foo:bar', 'read-only': true })),
      await outcome(BlockBackend.open({ filename: 'foo:bar', 'read-only': true, driver: 'raw' })),
    ]`,
    ),
  ).toEqual(['none', 'none', 'none', 'EINVAL']);
});

test.each([
  [false, false, 'EACCES', 'EACCES'],
  [false, true, 'none', 'EACCES'],
  [true, false, 'none', 'EPERM'],
  [true, true, 'none', 'EPERM'],
])(
  'FILE-4: for a user who may only read the file: read-only=%s, auto-read-only=%s: %s',
  async (readOnly, auto, code, writing) => {
    const filename = makeImage(folder, 'mode.img', 4096);
    const modes = `'read-only': ${String(readOnly)}, 'auto-read-only': ${String(auto)}`;
    const attempt = (...names: string[]) => `
      await outcome(BlockBackend.open({ driver: 'file', filename, ${modes} },
        { permissions: ${JSON.stringify(names)} }))`;
    const results = await asReader(
      filename,
      `[${attempt('consistent-read')}, ${attempt('consistent-read', 'write')}]`,
    );
    expect(results).toEqual([code, writing]);
  },
);
