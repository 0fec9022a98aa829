// Changes of what backends want: all of the change or nothing of it, on the graph itself.
import { realpathSync } from 'node:fs';
import {
  activateAll,
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  graphDump,
  inactivateAll,
  type ProbeHook,
  probe,
} from '../../lib/index.js';
import { kernelLocks } from '../support/locks.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { EVERYTHING, granted, permissions } from '../support/permissions.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = realpathSync(scratchFolder());
const MIB = 1 << 20;

/** The message that the promise rejects with. */
async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: Error) => error.message,
  );
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
  const set = (blk: BlockBackend, wants: string, shares = 'CR W WU RZ'): Promise<void> =>
    blk.setPermissions(permissions(wants), permissions(shares));
  const disk = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
    driver: 'x-probe',
    'node-name': name,
    ...more,
  });

  test('PERM-1: a refused change leaves the pair, the edges and the file locks as they were', async () => {
    const filename = makeImage(folder, 'atomic.img', MIB);
    const file = { driver: 'file', filename, 'node-name': 'atomic-file' };
    await using blk = await open(
      { driver: 'raw', 'node-name': 'atomic', file },
      { name: 'writer', ...pair('CR W') },
    );
    await using other = await open('atomic-file', { name: 'other', ...pair('CR', 'CR W WU') });
    const before = [graphDump(), kernelLocks(filename)];
    // Within the process, by an edge ...
    await expect(set(blk, 'CR W RZ')).rejects.toMatchObject({ code: 'EPERM' });
    expect([graphDump(), kernelLocks(filename)]).toEqual(before);
    // ... and by the locks of another user of the file, when one edge has changed already.
    await using stranger = await open({ driver: 'file', filename }, pair('CR', 'CR W WU RZ'));
    await expect(set(blk, 'CR W', 'W WU RZ')).rejects.toMatchObject({ code: 'EPERM' });
    await set(other, 'CR');
    await set(stranger, 'CR', 'CR W WU');
    const beforeLocks = [graphDump(), kernelLocks(filename)];
    await expect(set(blk, 'CR W RZ')).rejects.toMatchObject({ code: 'EAGAIN' });
    expect([graphDump(), kernelLocks(filename)]).toEqual(beforeLocks);
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W'), EVERYTHING]);
    await set(stranger, 'CR');
    await set(blk, 'CR W RZ', 'CR');
    expect(granted('writer', 'atomic')).toEqual(['CR W RZ', 'CR']);
    expect(granted('atomic', 'atomic-file')).toEqual(['CR W RZ', 'CR']);
  });

  test('PERM-2: without a medium the pair is only remembered', async () => {
    await using blk = new BlockBackend({ context: context(), name: 'empty' });
    await using strict = await open(disk('remembered'), { name: 'strict', ...pair('CR', 'CR') });
    await set(blk, 'CR W', 'CR WU');
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W'), permissions('CR WU')]);
    const before = graphDump();
    expect(await codeOf(blk.insert('remembered'))).toBe('EPERM');
    expect(graphDump()).toEqual(before);
    await set(strict, 'CR');
    await blk.insert('remembered');
    expect(granted('empty', 'remembered')).toEqual(['CR W', 'CR WU']);
  });

  test('PERM-3: reading gives what was asked for, not what the edge holds', async () => {
    await using blk = await open(disk('differs'), { name: 'differs-blk', ...pair('CR W', 'CR') });
    await blk.inactivate();
    expect(granted('differs-blk', 'differs')).toEqual(['', 'ALL']);
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W'), permissions('CR')]);
    await set(blk, 'CR W RZ', 'CR WU');
    expect(granted('differs-blk', 'differs')).toEqual(['', 'ALL']);
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W RZ'), permissions('CR WU')]);
    await blk.activate();
    expect(granted('differs-blk', 'differs')).toEqual(['CR W RZ', 'CR WU']);
  });

  test('PERM-4: of every two users each must share what the other needs', async () => {
    await using first = await open(disk('pairs'), pair(''));
    await using second = await open('pairs', pair(''));
    for (const bit of ['CR', 'W', 'WU', 'RZ']) {
      const others = permissions('CR W WU RZ').filter((name) => name !== permissions(bit)[0]);
      for (const [needs, refuses] of [
        [first, second],
        [second, first],
      ] as const) {
        await refuses.setPermissions([], others);
        const before = graphDump();
        expect([bit, await codeOf(set(needs, bit))]).toEqual([bit, 'EPERM']);
        expect(graphDump()).toEqual(before);
        await needs.setPermissions(others, EVERYTHING);
        await needs.setPermissions([], EVERYTHING);
        await refuses.setPermissions([], EVERYTHING);
        // A user does not conflict with itself.
        await refuses.setPermissions(permissions(bit), others);
        await refuses.setPermissions([], EVERYTHING);
      }
    }
  });

  test('PERM-5: A writes and shares no writing: a writer is refused, a reader is not', async () => {
    await using a = await open(disk('both-ways'), pair('CR W', 'CR WU RZ'));
    const before = graphDump();
    expect(await codeOf(open('both-ways', pair('W')))).toBe('EPERM');
    // Checked both ways: this one needs nothing that A does not share.
    expect(await codeOf(open('both-ways', pair('CR', 'CR WU RZ')))).toBe('EPERM');
    expect(graphDump()).toEqual(before);
    await using reader = await open('both-ways', pair('CR'));
    expect([a.root, reader.root?.name]).toEqual([reader.root, 'both-ways']);
  });

  test('PERM-6: a node needs what all its users need, and shares what all of them share', async () => {
    const top = { driver: 'raw', 'node-name': 'sum', file: disk('sum-file') };
    await using a = await open(top, pair('CR W', 'CR W WU'));
    await using b = await open('sum', pair('WU', 'CR W WU'));
    expect(granted('sum', 'sum-file')).toEqual(['CR W WU', 'CR W WU']);
    await set(b, 'CR', 'CR W RZ');
    expect(granted('sum', 'sum-file')).toEqual(['CR W', 'CR W']);
    await set(a, '', 'CR WU');
    expect(granted('sum', 'sum-file')).toEqual(['CR', 'CR']);
  });

  test.each(['W', 'WU'])(
    'PERM-7: %s on a read-only node is EPERM, the rest is not',
    async (bit) => {
      await using blk = await open(disk('sealed', { 'read-only': true }), pair('CR RZ'));
      const before = graphDump();
      expect(await codeOf(set(blk, `CR ${bit}`))).toBe('EPERM');
      expect(await codeOf(open('sealed', pair(bit)))).toBe('EPERM');
      expect(graphDump()).toEqual(before);
    },
  );

  test.each(['W', 'WU'])(
    'PERM-7: %s on an inactive node is EPERM, the rest is not',
    async (bit) => {
      await using blk = await open(disk('elsewhere'), pair('CR'));
      await using comes = new BlockBackend({ context: context(), ...pair(bit) });
      await inactivateAll();
      const before = graphDump();
      await expect(comes.insert('elsewhere')).rejects.toMatchObject({
        code: 'EPERM',
        message: expect.stringContaining('inactive'),
      });
      expect(graphDump()).toEqual(before);
      await set(comes, 'CR RZ');
      await comes.insert('elsewhere');
      await activateAll();
      await set(comes, bit);
      expect(comes.root).toBe(blk.root);
    },
  );

  test.each([
    ['W', 'EPERM'],
    ['WU', 'EPERM'],
    ['W RZ', 'none'],
    ['WU RZ', 'none'],
    ['CR', 'none'],
  ])('PERM-8: 1024 bytes under an alignment of 4096, needing %s: %s', async (needs, code) => {
    const odd = disk('odd', { size: 1024, 'request-alignment': 4096 });
    const before = graphDump();
    expect(await codeOf(open(odd, pair(needs)).then((blk) => blk.close()))).toBe(code);
    expect(graphDump()).toEqual(before);
    // Once a multiple of it, anybody may write.
    await using blk = await open({ ...odd, size: 8192 }, pair(needs));
    expect(blk.requestAlignment).toBe(4096);
  });

  test('PERM-9: giving things up never fails, not even when a driver does', async () => {
    await using blk = await open(disk('looser'), { name: 'gives-up', ...pair('CR W RZ', 'CR') });
    const driver = probe('looser');
    driver.failNext('checkPermissions', 'EIO', 10);
    await set(blk, 'CR W', 'CR WU');
    expect(granted('gives-up', 'looser')).toEqual(['CR W', 'CR WU']);
    // The same failure is told to who wants more, of either kind.
    const before = graphDump();
    expect(await codeOf(set(blk, 'CR W RZ', 'CR WU'))).toBe('EIO');
    expect(await codeOf(set(blk, 'CR W', 'CR'))).toBe('EIO');
    expect(await codeOf(open('looser', pair('WU')))).toBe('EIO');
    expect(graphDump()).toEqual(before);
    await blk.remove();
    expect(blk.root).toBeUndefined();
    expect(graphDump().nodes.some(({ name }) => name === 'looser')).toBe(false);
  });

  test('PERM-9: who keeps writing may give up resizing on a length that is no multiple', async () => {
    const odd = disk('odd-looser', { size: 1024, 'request-alignment': 4096 });
    await using blk = await open(odd, { name: 'odd-blk', ...pair('CR W RZ') });
    await set(blk, 'CR W');
    expect(granted('odd-blk', 'odd-looser')).toEqual(['CR W', 'ALL']);
    expect(await codeOf(set(blk, 'CR W WU'))).toBe('EPERM');
  });

  const hooks: readonly ProbeHook[] = ['checkPermissions', 'setPermissions', 'abortPermissions'];
  /** How often each node was asked to check, set and abort, since `before`. */
  const calls = (name: string): number[] => hooks.map((hook) => probe(name).calls(hook));
  const since = (name: string, before: readonly number[]): number[] =>
    calls(name).map((count, index) => count - (before[index] ?? 0));

  /** top -> left, right -> base, all of them x-probe. */
  async function diamond(settings: BackendSettings): Promise<BlockBackend> {
    await blockdevAdd(disk('base'));
    const side = (name: string) => disk(name, { filter: true, file: 'base' });
    const roles = { 'roles.left': 'filtered,primary', 'roles.right': 'filtered' };
    const top = disk('top', { ...roles, left: side('left'), right: side('right') });
    return open(top, settings);
  }

  test('PERM-22: a driver that refuses leaves every node as it was', async () => {
    const names = ['top', 'left', 'right', 'base'];
    {
      await using blk = await diamond({ name: 'on-top', ...pair('CR') });
      for (const [position, refusing] of names.entries()) {
        const before = graphDump();
        const counts = names.map(calls);
        probe(refusing).failNext('checkPermissions', 'EROFS');
        expect(await codeOf(set(blk, 'CR W', 'CR W WU'))).toBe('EROFS');
        const changes = names.map((name, index) => since(name, counts[index] ?? []));
        const isSide = refusing === 'left' || refusing === 'right';
        const checked = changes.filter(([check]) => check === 1);
        // From above to below; the two in the middle may come in either order.
        if (!isSide) expect(checked).toHaveLength(position + 1);
        expect(changes[position]).toEqual([1, 0, 0]);
        for (const [check = 0, apply, abort] of changes.filter((_, i) => i !== position)) {
          expect([apply, abort]).toEqual([0, check]);
        }
        expect(graphDump()).toEqual(before);
      }
      const counts = names.map(calls);
      await set(blk, 'CR W', 'CR W WU');
      for (const [index, name] of names.entries()) {
        expect([name, ...since(name, counts[index] ?? [])]).toEqual([name, 1, 1, 0]);
      }
      expect(probe('base').checkedPermissions).toEqual(permissions('CR W'));
      expect(probe('base').checkedShared).toEqual(permissions('CR W WU'));
    }
    await blockdevDel('base');
  });

  test('PERM-24: whatever refuses a direct change, the code is EPERM', async () => {
    await using strict = await open(disk('codes'), pair('CR', 'CR WU RZ'));
    await using blk = await open('codes', pair('CR'));
    await expect(set(blk, 'CR W')).rejects.toMatchObject({ code: 'EPERM', errno: -1 });
    await using sealed = await open(disk('codes-ro', { 'read-only': true }), pair('CR'));
    await expect(set(sealed, 'W')).rejects.toMatchObject({ code: 'EPERM', errno: -1 });
    const odd = disk('codes-odd', { size: 1024, 'request-alignment': 4096 });
    await using short = await open(odd, pair('CR'));
    await expect(set(short, 'W')).rejects.toMatchObject({ code: 'EPERM', errno: -1 });
    expect(strict.root).toBe(blk.root);
  });

  test('PERM-25: a conflict names the node, the bits, who needs them and who does not share', async () => {
    const file = disk('sentence');
    await using strict = await open(
      { driver: 'raw', 'node-name': 'strict-filter', file },
      pair('CR', ''),
    );
    await using blk = await open(disk('unused'), { name: 'needy', ...pair('') });
    await blk.remove();
    await set(blk, 'CR W WU RZ');
    const text = await messageOf(blk.insert('sentence'));
    expect(text).toContain(`'sentence'`);
    for (const bit of ['consistent read', 'write', 'write unchanged', 'resize']) {
      expect(text).toContain(`"${bit}"`);
    }
    expect(text).toMatch(/block device 'needy' needs .* node 'strict-filter'.* does not share/);
    await set(strict, 'CR', 'CR WU RZ');
    const less = await messageOf(blk.insert('sentence'));
    expect(less.match(/"[a-z ]+"/g)).toEqual(['"write"']);
    // The other way round: who is there needs what the newcomer does not share.
    await set(blk, '', 'W WU RZ');
    const turned = await messageOf(blk.insert('sentence'));
    expect(turned).toMatch(/node 'strict-filter' needs "consistent read" .*block device 'needy'/);
  });

  test('PERM-26: writable is who wants to write; whether writing works is up to the medium', async () => {
    await using blk = new BlockBackend({ context: context(), ...pair('CR W') });
    expect([blk.isWritable, blk.supportsWrite]).toEqual([true, false]);
    await using sealed = await open(disk('kinds-ro', { 'read-only': true }), pair('CR'));
    expect([sealed.isWritable, sealed.supportsWrite]).toEqual([false, false]);
    await using reader = await open(disk('kinds'), pair('CR'));
    expect([reader.isWritable, reader.supportsWrite]).toEqual([false, true]);
    await blk.insert('kinds');
    expect([blk.isWritable, blk.supportsWrite]).toEqual([true, true]);
    blk.forceInactivate = true;
    await blk.inactivate();
    expect([blk.isWritable, blk.supportsWrite]).toEqual([true, true]);
    await set(blk, 'CR WU RZ');
    expect(blk.isWritable).toBe(false);
  });
});
