// What edges hold by their roles, and how changes of the graph change it: on the graph itself.
import { realpathSync } from 'node:fs';
import {
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  blockResize,
  graphDump,
  probe,
  replaceNode,
} from '../../lib/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { EVERYTHING, granted, permissions } from '../support/permissions.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = realpathSync(scratchFolder());
const MIB = 1 << 20;
/** As qcow2 stores: metadata and data in one file, and a backing file. */
const AS_QCOW2 = {
  driver: 'x-probe',
  'roles.file': 'data,metadata,primary',
  'roles.backing': 'cow',
};

onEveryEngineAndHome((context) => {
  const open = (
    options: BlockdevOptions | string,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> => BlockBackend.open(options, { context: context(), ...settings });
  const pair = (wants: string, shares = 'CR W WU RZ'): BackendSettings => ({
    permissions: permissions(wants),
    shared: permissions(shares),
  });
  const disk = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
    driver: 'x-probe',
    'node-name': name,
    ...more,
  });
  /** What an edge to a child in that role holds, under a backend with that pair. */
  async function below(
    role: string,
    settings: BackendSettings,
    more: Partial<BlockdevOptions> = {},
  ): Promise<[string, string]> {
    const child = { file: disk('lower') };
    const top = disk('upper', { 'roles.file': role, ...child, ...more });
    await using blk = await open(top, settings);
    expect(blk.root?.name).toBe('upper');
    return granted('upper', 'lower');
  }

  test.each([
    ['', 'ALL'],
    ['CR', 'CR WU'],
    ['CR W', 'ALL'],
    ['CR W WU RZ', 'CR W WU'],
    ['RZ', ''],
  ])('PERM-10: a filter passes on what its users need and share: %s, %s', async (wants, shares) => {
    const shared = shares === 'ALL' ? 'CR W WU RZ' : shares;
    const expected = [wants === 'CR W WU RZ' ? 'ALL' : wants, shares];
    expect(await below('filtered,primary', pair(wants, shared))).toEqual(expected);
  });

  test.each([
    ['CR W WU RZ', 'CR W WU RZ', 'CR', 'ALL'],
    ['CR W', 'CR W', 'CR', 'ALL'],
    ['CR', 'CR WU RZ', 'CR', 'CR WU'],
    ['W', 'CR WU', '', 'CR WU'],
    ['', '', '', 'CR WU'],
  ])('PERM-11: a backing file, users %s sharing %s: %s, %s', async (wants, shares, ...expected) => {
    expect(await below('cow', pair(wants, shares))).toEqual(expected);
  });

  test.each([
    ['', 'CR W WU RZ', false, 'CR W RZ', 'CR WU'],
    ['CR', 'CR', false, 'CR W RZ', 'CR'],
    ['CR WU', 'CR W WU RZ', false, 'ALL', 'CR WU'],
    ['', 'CR W WU RZ', true, 'CR', 'CR WU'],
    ['CR', 'W WU', true, 'CR', 'WU'],
  ])(
    'PERM-12: metadata, users %s sharing %s, read-only %s: %s, %s',
    async (wants, shares, readOnly, ...expected) => {
      const role = 'data,metadata,primary';
      expect(await below(role, pair(wants, shares), { 'read-only': readOnly })).toEqual(expected);
    },
  );

  test.each([
    [true, ''],
    [false, 'CR'],
  ])(
    'PERM-12: metadata of a node that is opened without I/O is not read: %s, %s',
    async (noIo, holds) => {
      const file = disk('data', { 'read-only': true });
      const options = { ...AS_QCOW2, 'node-name': 'top', 'read-only': true, file };
      await using _user = await open(options, { noIo });
      expect(granted('top', 'data')).toEqual([holds, 'CR WU']);
    },
  );

  test.each([
    ['', 'CR W WU RZ', '', 'CR W WU'],
    ['CR', 'CR W WU RZ', 'CR', 'CR W WU'],
    ['W', 'CR W WU RZ', 'W RZ', 'CR W WU'],
    ['WU', 'CR W WU RZ', 'W WU RZ', 'CR W WU'],
    ['RZ', 'CR RZ', 'RZ', 'CR'],
  ])('PERM-13: pure data, users %s sharing %s: %s, %s', async (wants, shares, ...expected) => {
    expect(await below('data,primary', pair(wants, shares))).toEqual(expected);
  });

  test('PERM-15: a child with force-share is shared in everything, and must be read-only', async () => {
    const forced = disk('forced', { 'read-only': true, 'force-share': true });
    const top = { ...AS_QCOW2, 'node-name': 'top', 'read-only': true, file: forced };
    await using blk = await open(top, { name: 'user', ...pair('CR', '') });
    expect(granted('top', 'forced')).toEqual(['CR', 'ALL']);
    expect(granted('user', 'top')).toEqual(['CR', '']);
    const before = graphDump();
    expect(await codeOf(open(disk('wrong', { 'force-share': true })))).toBe('EINVAL');
    expect(graphDump()).toEqual(before);
    expect(blk.isClosed).toBe(false);
  });

  test('PERM-16: the edge below raw, with and without a window', async () => {
    const filename = makeImage(folder, 'table.img', MIB);
    const file = { driver: 'file', filename, 'node-name': 'table-file' };
    for (const [more, shares] of [
      [{}, 'ALL'],
      [{ offset: 512 }, 'CR W WU'],
      [{ size: 512 }, 'CR W WU'],
      [{ offset: 512, size: 1024 }, 'CR W WU'],
    ]) {
      await using blk = await open({
        driver: 'raw',
        'node-name': 'table',
        file,
        ...(more as object),
      });
      expect(blk.permissions).toEqual(permissions('CR W'));
      expect(granted('table', 'table-file')).toEqual(['CR W', shares]);
    }
  });

  test.each([
    [true, 'CR'],
    [false, 'CR W RZ'],
  ])(
    'PERM-16: the edges below an overlay as of qcow2, its backing node read-only %s',
    async (readOnly, needs) => {
      const backing = {
        ...AS_QCOW2,
        'node-name': 'backing',
        'read-only': readOnly,
        file: disk('backing-file'),
      };
      const overlay = { ...AS_QCOW2, 'node-name': 'overlay', file: disk('overlay-file'), backing };
      await using blk = await open(overlay);
      expect(blk.permissions).toEqual(permissions('CR W'));
      expect(granted('overlay', 'overlay-file')).toEqual(['CR W RZ', 'CR WU']);
      expect(granted('overlay', 'backing')).toEqual(['CR', 'ALL']);
      expect(granted('backing', 'backing-file')).toEqual([needs, 'CR WU']);
    },
  );

  test('PERM-17: a node that nobody uses holds nothing and shares all', async () => {
    const filename = makeImage(folder, 'lone.img', 4096);
    const file = { driver: 'file', filename, 'node-name': 'lone-file' };
    await blockdevAdd({ driver: 'raw', 'node-name': 'lone', file });
    await blockdevAdd({ ...AS_QCOW2, 'node-name': 'lone-qcow2', file: disk('lone-probe') });
    expect(granted('lone', 'lone-file')).toEqual(['', 'ALL']);
    expect(granted('lone-qcow2', 'lone-probe')).toEqual(['', 'ALL']);
    const blk = await BlockBackend.open('lone-qcow2', pair('', ''));
    expect(granted('lone-qcow2', 'lone-probe')).toEqual(['CR W RZ', '']);
    await blk.close();
    expect(granted('lone-qcow2', 'lone-probe')).toEqual(['', 'ALL']);
    await blockdevDel('lone');
    await blockdevDel('lone-qcow2');
  });

  /** `left` and `right` filter `base`; whoever writes through `writer` writes alone. */
  async function branches(): Promise<AsyncDisposable> {
    const keep = await open(disk('base'), { name: 'keeps-base', ...pair('CR') });
    for (const name of ['left', 'right']) {
      await blockdevAdd(disk(name, { filter: true, file: 'base' }));
    }
    return {
      async [Symbol.asyncDispose]() {
        await blockdevDel('left');
        await blockdevDel('right');
        await keep.close();
      },
    };
  }
  const WRITER = {
    driver: 'x-probe',
    filter: true,
    'take.file': 'write',
    'unshare.file': 'write',
  };

  test('PERM-18: an exclusive writer goes from one branch to the other, and back', async () => {
    await using _graph = await branches();
    const writer = { ...WRITER, 'node-name': 'writer' };
    await using blk = await open({ ...writer, file: 'left' }, pair('CR'));
    const WRITES = ['CR W', 'CR WU RZ'];
    const IDLE = ['', 'ALL'];
    for (const [file, other] of [
      ['right', 'left'],
      ['left', 'right'],
      ['right', 'left'],
    ] as const) {
      const before = probe('base').calls('checkPermissions');
      await blockdevReopen([{ ...writer, file }]);
      expect(granted('writer', file)).toEqual(WRITES);
      expect(granted(file, 'base')).toEqual(WRITES);
      expect(granted(other, 'base')).toEqual(IDLE);
      // What all need of it together is what it was.
      expect(probe('base').calls('checkPermissions')).toBe(before);
    }
    expect(blk.isClosed).toBe(false);
  });

  test('PERM-18: an exclusive writer and a reader of two branches change places at once', async () => {
    await using _graph = await branches();
    const writer = { ...WRITER, 'node-name': 'writer' };
    const reader = disk('reader', { filter: true });
    await using a = await open({ ...writer, file: 'left' }, pair('CR'));
    await using b = await open({ ...reader, file: 'right' }, pair('CR'));
    for (const [to, from] of [
      ['right', 'left'],
      ['left', 'right'],
    ] as const) {
      await blockdevReopen([
        { ...reader, file: from },
        { ...writer, file: to },
      ]);
      expect(granted(to, 'base')).toEqual(['CR W', 'CR WU RZ']);
      expect(granted(from, 'base')).toEqual(['CR', 'ALL']);
    }
    expect([a.isClosed, b.isClosed]).toEqual([false, false]);
  });

  test('PERM-18: a node that is reached by two paths is asked once, with the needs of both', async () => {
    await using _graph = await branches();
    const roles = { 'roles.left': 'filtered,primary', 'roles.right': 'filtered' };
    const two = disk('two', { ...roles, left: 'left', right: 'right', 'take.right': 'resize' });
    await using blk = await open(two, pair('CR'));
    const before = probe('base').calls('checkPermissions');
    await blk.setPermissions(permissions('CR W'), EVERYTHING);
    expect(probe('base').calls('checkPermissions')).toBe(before + 1);
    expect(probe('base').checkedPermissions).toEqual(permissions('CR W RZ'));
    expect(granted('left', 'base')).toEqual(['CR W', 'ALL']);
    expect(granted('right', 'base')).toEqual(['CR W RZ', 'ALL']);
  });

  test('PERM-19: one exclusive writer takes the place of another over the same base', async () => {
    await using _base = await open(disk('base'), { name: 'keeps-base', ...pair('CR') });
    const names = ['one', 'two'];
    for (const name of names) await blockdevAdd({ ...WRITER, 'node-name': name, file: 'base' });
    {
      await using blk = await open('one', { name: 'exclusive', ...pair('CR') });
      expect(granted('one', 'base')).toEqual(['CR W', 'CR WU RZ']);
      // Both at a time are refused.
      const before = graphDump();
      expect(await codeOf(open('two', pair('CR')))).toBe('EPERM');
      expect(graphDump()).toEqual(before);
      for (const [from, to] of [
        ['one', 'two'],
        ['two', 'one'],
      ] as const) {
        await replaceNode(from, to);
        expect(blk.root?.name).toBe(to);
        expect(granted('exclusive', to)).toEqual(['CR', 'ALL']);
        expect(granted(to, 'base')).toEqual(['CR W', 'CR WU RZ']);
        expect(granted(from, 'base')).toEqual(['', 'ALL']);
      }
    }
    for (const name of names) await blockdevDel(name);
  });

  test('PERM-23: what a device of a guest takes, and a second one on the same node', async () => {
    await using first = await open(disk('guest'), { name: 'first', ...pair('') });
    await using second = await open('guest', { name: 'second', ...pair('') });
    await first.setDevicePermissions();
    expect(granted('first', 'guest')).toEqual(['CR W', 'CR WU']);
    const before = graphDump();
    for (const options of [{}, { shareRw: true }, { resizable: true }]) {
      expect(await codeOf(second.setDevicePermissions(options))).toBe('EPERM');
      expect(graphDump()).toEqual(before);
    }
    await second.setDevicePermissions({ readOnly: true, shareRw: true });
    expect(granted('second', 'guest')).toEqual(['CR', 'CR W WU']);
    await first.setDevicePermissions({ shareRw: true, resizable: true });
    expect(granted('first', 'guest')).toEqual(['CR W', 'ALL']);
    await second.setDevicePermissions({ shareRw: true });
    expect(granted('second', 'guest')).toEqual(['CR W', 'CR W WU']);
    await using sealed = await open(disk('guest-ro', { 'read-only': true }), { name: 'cdrom' });
    await sealed.setDevicePermissions();
    expect(granted('cdrom', 'guest-ro')).toEqual(['CR', 'CR WU']);
  });

  test('PERM-27: a disk is resized under its users only while all of them share that', async () => {
    const filename = makeImage(folder, 'resized.img', MIB);
    const file = { driver: 'file', filename, 'node-name': 'resized-file' };
    const window = { driver: 'raw', 'node-name': 'window', size: 4096, file: 'resized-file' };
    await using blk = await open(file, { name: 'disk', ...pair('CR W') });
    await blockResize({ device: 'disk', size: 2 * MIB });
    await blockResize({ 'node-name': 'resized-file', size: 3 * MIB });
    expect(await blk.getLength()).toBe(3 * MIB);
    {
      const before = graphDump();
      await using raw = await open(window, pair('CR'));
      expect(await codeOf(blockResize({ device: 'disk', size: MIB }))).toBe('EPERM');
      await raw.close();
      const format = { ...AS_QCOW2, 'read-only': true, file: 'resized-file' };
      await blk.setPermissions(permissions('CR'), EVERYTHING);
      await using qcow2 = await open(format, pair('CR'));
      expect(await codeOf(blockResize({ device: 'disk', size: MIB }))).toBe('EPERM');
      await qcow2.close();
      await blk.setPermissions(permissions('CR W'), EVERYTHING);
      expect(graphDump()).toEqual(before);
      // A device that cannot handle it.
      await blk.setDevicePermissions();
      expect(await codeOf(blockResize({ device: 'disk', size: MIB }))).toBe('EPERM');
    }
    expect(await blk.getLength()).toBe(3 * MIB);
    await blk.setDevicePermissions({ resizable: true });
    await blockResize({ device: 'disk', size: MIB });
    expect(await blk.getLength()).toBe(MIB);
    expect(BlockBackend.all().filter(({ root }) => root === blk.root)).toEqual([blk]);
  });

  test.each([
    [{ device: 'disk', 'node-name': 'plain', size: 512 }, 'EINVAL'],
    [{ size: 512 }, 'EINVAL'],
    [{ 'node-name': 'nowhere', size: 512 }, 'ENOENT'],
    [{ device: 'nowhere', size: 512 }, 'ENODEV'],
    [{ device: 'tray', size: 512 }, 'ENOMEDIUM'],
    [{ device: 'disk', size: -1 }, 'EINVAL'],
    [{ device: 'disk', size: 0.5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ device: 'sealed', size: 512 }, 'EACCES'],
    [{ 'node-name': 'blocked', size: 512 }, 'EBUSY'],
  ])('PERM-27: resizing %j: %s', async (request, code) => {
    await using blk = await open(disk('plain'), { name: 'disk' });
    await using tray = new BlockBackend({ context: context(), name: 'tray' });
    await using sealed = await open(disk('ro', { 'read-only': true }), { name: 'sealed' });
    await using blocked = await open(disk('blocked'));
    const reason = { message: 'for a test' };
    blocked.opBlock('resize', reason);
    const before = graphDump();
    const answer = await codeOf(blockResize(request));
    const after = graphDump();
    // A blocked node could not be closed.
    blocked.opUnblock('resize', reason);
    expect([answer, after]).toEqual([code, before]);
    expect([blk.isClosed, tray.isClosed, sealed.isClosed]).toEqual([false, false, false]);
  });
});
