// Images that go to another process and come back, as the kernel's lock table shows it.
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, statfsSync } from 'node:fs';
import {
  activateAll,
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  graphDump,
  inactivateAll,
  RunState,
  setRunState,
} from '../../lib/index.js';
import { type Holder, holdWithOurs, kernelLocks, lockedBytes } from '../support/locks.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { granted, permissions } from '../support/permissions.js';
import { codeOf, makeImage } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const folder = realpathSync(scratchFolder());
/** A tmpfs: its pages are nowhere else, so they cannot be dropped. */
const livesInCache = statfsSync(folder).type === 0x01021994;
const MIB = 1 << 20;

let machine: RunState;
beforeEach(() => {
  machine = new RunState();
  setRunState(machine);
});
afterAll(() => setRunState(new RunState()));

/** Another process that writes the image and lets nobody else write it. */
function otherWriter(filename: string): Promise<Holder> {
  const settings = { permissions: permissions('CR W'), shared: permissions('CR WU') };
  return holdWithOurs({ driver: 'file', filename }, settings, filename);
}

const held = async (attempt: Promise<Holder>): Promise<string> =>
  attempt.then(
    async (holder) => {
      await holder.release();
      return 'held';
    },
    (error: Error) => /\bE[A-Z]+\b/.exec(error.message)?.[0] ?? error.message,
  );

/** What is in `all` beside `some`, each of which is there once. */
function besides(all: readonly number[], some: readonly number[]): number[] {
  const rest = [...all];
  for (const byte of some) rest.splice(rest.indexOf(byte), 1);
  return rest;
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
  const file = (filename: string, name: string): BlockdevOptions => ({
    driver: 'file',
    filename,
    'node-name': name,
  });

  test.each([
    ['raw', { driver: 'raw' }, [100, 101, 201]],
    [
      'like qcow2',
      { driver: 'x-probe', 'roles.file': 'data,metadata,primary' },
      [100, 101, 103, 201, 203],
    ],
  ])(
    'INACT-10: %s: inactive, its image is free for a writer elsewhere; active, it is not',
    async (_, format, bytes) => {
      const filename = makeImage(folder, 'handed.img', MIB);
      const options = { ...format, 'node-name': 'handed', file: file(filename, 'handed-file') };
      await using blk = await open(options, { name: 'guest', ...pair('CR W', 'CR WU RZ') });
      expect(await blk.pwrite(0, Buffer.alloc(512, 1))).toBe(512);
      const before = [graphDump(), lockedBytes(filename)];
      expect(before[1]).toEqual(bytes);
      expect(await held(otherWriter(filename))).toBe('EAGAIN');
      await inactivateAll();
      expect(lockedBytes(filename)).toEqual([]);
      const other = await otherWriter(filename);
      try {
        const inactive = [graphDump(), kernelLocks(filename)];
        const theirs = lockedBytes(filename);
        expect(await codeOf(activateAll())).toBe('EAGAIN');
        expect(await codeOf(blk.activate())).toBe('EAGAIN');
        expect(blk.permissionsDisabled).toBe(true);
        // What is below the node that failed is active: at most it reads, and minds nobody.
        expect([[], [100]]).toContainEqual(besides(lockedBytes(filename), theirs));
        await inactivateAll();
        expect([graphDump(), kernelLocks(filename)]).toEqual(inactive);
      } finally {
        await other.release();
      }
      await activateAll();
      expect([graphDump(), lockedBytes(filename)]).toEqual(before);
      expect(await held(otherWriter(filename))).toBe('EAGAIN');
      expect(await blk.pwrite(0, Buffer.alloc(512, 1))).toBe(512);
    },
  );

  test.each(['inmigrate', 'running'] as const)(
    'INACT-6: activated while %s: a writer elsewhere is refused once the machine runs',
    async (state) => {
      const filename = makeImage(folder, 'tightened.img', MIB);
      await using blk = await open(file(filename, 'tightened'), {
        name: 'guest',
        ...pair('CR W', 'CR WU'),
      });
      blk.attachDevice({});
      await inactivateAll();
      machine.set(state);
      await activateAll();
      // While it is incoming others may do everything still.
      const incoming = state === 'inmigrate';
      expect(lockedBytes(filename)).toEqual(incoming ? [100, 101] : [100, 101, 201, 203]);
      machine.set('running');
      await activateAll();
      expect(lockedBytes(filename)).toEqual([100, 101, 201, 203]);
      const writes = { permissions: permissions('CR W') };
      const attempt = holdWithOurs({ driver: 'file', filename }, writes, filename);
      expect(await held(attempt)).toBe('EAGAIN');
      expect(await codeOf(open('tightened', pair('CR W')))).toBe('EPERM');
    },
  );

  test('INACT-13: taken back, an image shows what was written elsewhere, not what was cached', async () => {
    const filename = makeImage(folder, 'cached.img', 65536, 1);
    const options = { ...file(filename, 'cached'), 'x-check-cache-dropped': !livesInCache };
    await using blk = await open({ driver: 'raw', file: options }, { name: 'guest' });
    const data = Buffer.alloc(131072);
    expect(await blk.pwrite(0, Buffer.alloc(4096, 2))).toBe(4096);
    expect(await blk.pread(0, data.subarray(0, 65536))).toBe(65536);
    await inactivateAll();
    expect(readFileSync(filename).subarray(0, 4096)).toEqual(Buffer.alloc(4096, 2));
    execFileSync('dd', ['if=/dev/zero', `of=${filename}`, 'bs=4096', 'count=32', 'conv=fsync'], {
      env: foreignEnv(),
      stdio: 'ignore',
    });
    // Fails with EBUSY where a page is still in the cache.
    await activateAll();
    expect(await blk.getLength()).toBe(131072);
    expect(await blk.pread(0, data)).toBe(131072);
    expect(data).toEqual(Buffer.alloc(131072));
  });

  test('INACT-15: what is opened while incoming is inactive and locks nothing until activated', async () => {
    const filename = makeImage(folder, 'incoming.img', MIB);
    const source = await otherWriter(filename);
    const locks = kernelLocks(filename);
    machine.set('inmigrate');
    const nodes = { driver: 'raw', 'node-name': 'drive', file: file(filename, 'drive-file') };
    await blockdevAdd({ ...nodes, 'node-name': 'added', file: file(filename, 'added-file') });
    await blockdevDel('added');
    const blk = await open(nodes, { name: 'guest', ...pair('CR W', 'CR WU RZ') });
    try {
      expect(graphDump().nodes.map(({ name, inactive }) => [name, inactive])).toEqual([
        ['drive', true],
        ['drive-file', true],
      ]);
      expect(blk.permissionsDisabled).toBe(true);
      expect(granted('guest', 'drive')).toEqual(['', 'ALL']);
      expect(kernelLocks(filename)).toEqual(locks);
      expect(await codeOf(blk.pwrite(0, Buffer.alloc(512)))).toBe('EPERM');
      const before = graphDump();
      expect(await codeOf(open('drive-file', pair('CR W')).then((b) => b.close()))).toBe('none');
      expect([graphDump(), kernelLocks(filename)]).toEqual([before, locks]);
      expect(await codeOf(activateAll())).toBe('EAGAIN');
      expect(kernelLocks(filename)).toEqual(locks);
    } finally {
      await source.release();
    }
    await activateAll();
    expect(lockedBytes(filename)).toEqual([100, 101]);
    machine.set('running');
    await activateAll();
    expect(lockedBytes(filename)).toEqual([100, 101, 201]);
    expect(await blk.pwrite(0, Buffer.alloc(512))).toBe(512);
    await blk.close();
    expect(lockedBytes(filename)).toEqual([]);
  });

  test('INACT-1: the writer of an incoming storage holds the image beside the device', async () => {
    const filename = makeImage(folder, 'storage.img', MIB);
    await using blk = await open(file(filename, 'storage'), { name: 'guest', ...pair('') });
    machine.set('inmigrate');
    blk.attachDevice({});
    await blk.setDevicePermissions();
    expect(lockedBytes(filename)).toEqual([]);
    await using writer = await open('storage', pair('CR W RZ', 'CR W WU'));
    expect(await writer.pwrite(0, Buffer.alloc(512, 5))).toBe(512);
    expect(lockedBytes(filename)).toEqual([100, 101, 103, 203]);
    // It must be gone before the device takes over alone.
    machine.set('running');
    const before = [graphDump(), kernelLocks(filename)];
    expect(await codeOf(blk.activate())).toBe('EPERM');
    expect([graphDump(), kernelLocks(filename)]).toEqual(before);
    await writer.close();
    await blk.activate();
    expect(lockedBytes(filename)).toEqual([100, 101, 201, 203]);
  });

  test('LOCK-16: a migration that somebody refuses leaves the locks as they were', async () => {
    const filename = makeImage(folder, 'refused.img', MIB);
    await using known = await open(file(filename, 'refused'), {
      name: 'guest',
      ...pair('CR W', 'CR W WU'),
    });
    await using unknown = await open('refused', pair('CR W', 'CR W WU RZ'));
    const before = [graphDump(), kernelLocks(filename)];
    expect(await codeOf(inactivateAll())).toBe('EPERM');
    expect([graphDump(), kernelLocks(filename)]).toEqual(before);
    expect([known.permissionsDisabled, unknown.permissionsDisabled]).toEqual([false, false]);
  });
});

describeWith(['strace'], 'system calls', () => {
  test('LOCK-14: while a node is inactive it asks the kernel for no lock and gives none back', async () => {
    const filename = makeImage(folder, 'silent.img', MIB);
    const body = `
      const { RunState, setRunState, activateAll } = require('block-backend');
      const machine = new RunState('inmigrate');
      setRunState(machine);
      const all = ['consistent-read', 'write', 'write-unchanged', 'resize'];
      const file = { driver: 'file', filename, 'node-name': 'f' };
      const top = { driver: 'x-probe', 'roles.file': 'data,metadata,primary', file };
      const blk = await BlockBackend.open(top, { name: 'guest' });
      await blk.setPermissions(all, ['consistent-read']);
      const reader = await BlockBackend.open('f', { permissions: ['consistent-read'] });
      await reader.close();
      `;
    const silent = `${body} await blk.close();`;
    const active = `${body} await activateAll(); await blk.close();`;
    const locks = ({ lines }: { readonly lines: readonly string[] }): string[] =>
      lines.filter((line) => /F_OFD_SETLK|F_SETLK/.test(line));
    expect(locks(await traced(silent, { filename, trace: 'fcntl' }))).toEqual([]);
    // The same with its activation at the end does lock.
    expect(locks(await traced(active, { filename, trace: 'fcntl' })).length).toBeGreaterThan(0);
  });
});
