import { existsSync } from 'node:fs';
import { BlockBackend } from '../../lib/index.js';
import { image } from '../support/images.js';

const MIB = 1024 * 1024;

function open(options: object | string): Promise<BlockBackend> {
  return BlockBackend.open(options as never);
}

async function failure(options: object | string): Promise<{ code: string; message: string }> {
  return open(options).then(
    () => ({ code: 'opened', message: '' }),
    (error) => error,
  );
}

describe('opening', () => {
  test('nested objects, dotted keys and json: mean the same', async () => {
    const filename = image(MIB);
    for (const options of [
      { driver: 'raw', file: { driver: 'file', filename, cache: { direct: true } } },
      {
        driver: 'raw',
        'file.driver': 'file',
        'file.filename': filename,
        'file.cache.direct': true,
      },
      { driver: 'raw', file: { driver: 'file', filename, 'cache.direct': 'on' } },
      `json:${JSON.stringify({ driver: 'raw', 'file.driver': 'file', file: { filename } })}`,
    ]) {
      await using blk = await open(options);
      expect(blk.root?.children.map(({ edge }) => edge.child.driver.name)).toEqual(['file']);
      expect(await blk.getLength()).toBe(MIB);
    }
  });

  test('GRAPH-4: an unknown option is named, and nothing stays open', async () => {
    const filename = image(MIB);
    const wrong: [object | string, RegExp][] = [
      [{ driver: 'file', filename, colour: 1 }, /option 'colour' is unknown to the driver 'file'/],
      [{ driver: 'raw', file: { driver: 'file', filename, x: { y: 1 } } }, /option 'file\.x\.y'/],
      [{ driver: 'nothing' }, /unknown driver 'nothing'/],
      [{ filename }, /option 'driver' is missing/],
      [{ driver: 'raw' }, /option 'file' is missing/],
      [{ driver: 'file' }, /option 'filename' is missing/],
      [{ driver: 'file', filename: 5 }, /option 'filename' must be a string, not 5/],
      [{ driver: 'null-co', size: 0.5 }, /option 'size' must be an integer, not 0\.5/],
      [{ driver: 'null-co', size: [] }, /option 'size' cannot be an array/],
      [{ driver: 'null-co', 'read-only': 'yes' }, /must be true or false, not "yes"/],
      [{ driver: 'file', filename, aio: 'fast' }, /must be one of auto, threads, io_uring, native/],
      [{ driver: 'file', filename, cache: { direct: true }, 'cache.direct': true }, /given twice/],
      [{ driver: 'raw', file: 'n', 'file.driver': 'file' }, /names a node, so it cannot have/],
      [{ driver: 'raw', file: 'nobody' }, /no node named 'nobody'/],
      ['nobody', /no node named 'nobody'/],
      ['json:{', /is no JSON/],
    ];
    for (const [options, message] of wrong) {
      const error = await failure(options);
      expect(error.code).toBe('EINVAL');
      expect(error.message).toMatch(message);
    }
    expect(BlockBackend.all()).toEqual([]);
  });

  test('PLUG-11: aio=native needs cache.direct=on', async () => {
    const filename = image(MIB);
    expect(await failure({ driver: 'file', filename, aio: 'native' })).toMatchObject({
      code: 'EINVAL',
    });
    await using blk = await open({
      driver: 'file',
      filename,
      aio: 'native',
      cache: { direct: true },
    });
    expect(await blk.getLength()).toBe(MIB);
  });

  test('GRAPH-8: children take cache and read-only from their parent', async () => {
    const filename = image(MIB);
    await using blk = await open({
      driver: 'raw',
      'read-only': true,
      cache: { direct: true },
      file: { driver: 'file', filename },
    });
    const child = blk.root?.children[0]?.edge.child;
    expect([child?.readOnly, child?.options['cache.direct']]).toEqual([true, true]);
    await expect(blk.pwrite(0, Buffer.alloc(512))).rejects.toMatchObject({ code: 'EPERM' });
  });

  test('LC-12, LC-13: a failed open leaves no name, node or backend', async () => {
    const filename = image(MIB);
    const inner = { driver: 'file', filename, 'node-name': 'inner' };
    const failing = { driver: 'raw', 'node-name': 'outer', file: inner, offset: 2 * MIB };
    expect(await failure(failing)).toMatchObject({ code: 'EINVAL', node: 'outer' });
    await using first = await open(inner);
    expect(first.root?.name).toBe('inner');
    const shared = await open({ driver: 'raw', 'node-name': 'outer', file: 'inner' });
    expect(first.root?.parents.map(({ parent }) => parent.describe())).toEqual([
      "node 'outer'",
      'an unnamed block device',
    ]);
    await shared.close();
    expect(first.root?.parents.length).toBe(1);
    expect(BlockBackend.all()).toEqual([first]);
    expect(existsSync(filename)).toBe(true);
  });

  test('ENOENT: the error names the file', async () => {
    const error = await failure({ driver: 'file', filename: '/nowhere/disk.img' });
    expect(error.code).toBe('ENOENT');
    expect(error.message).toContain("cannot open '/nowhere/disk.img': no such file or directory");
  });

  test('GRAPH-26: a node stays as long as somebody uses it', async () => {
    const base = await open({ driver: 'null-co', 'node-name': 'kept' });
    const top = await open({ driver: 'raw', file: 'kept', 'node-name': 'over' });
    const { root } = base;
    await base.close();
    expect(root?.isClosed).toBe(false);
    expect(await top.pread(0, Buffer.alloc(512))).toBe(512);
    await top.close();
    expect(root?.isClosed).toBe(true);
    expect(await failure('kept')).toMatchObject({ code: 'EINVAL' });
  });
});

describe('names', () => {
  test('NAME-2, NAME-7: which names are well formed', async () => {
    for (const name of ['a', 'Z9', 'a-b._c']) {
      await using blk = new BlockBackend({ name });
      expect(blk.name).toBe(name);
      expect(BlockBackend.byName(name)).toBe(blk);
    }
    for (const name of ['1a', '_a', '#b', 'a b', 'a/b', 'é']) {
      expect(() => new BlockBackend({ name })).toThrow(/Invalid device name/);
    }
    expect(BlockBackend.all()).toEqual([]);
  });

  test('NAME-1, NAME-8: naming twice is a usage error, un-naming twice is not', async () => {
    await using blk = new BlockBackend({ name: 'd0' });
    expect(() => blk.setName('d1')).toThrow(expect.objectContaining({ code: 'ERR_BLOCK_USAGE' }));
    blk.setName('');
    blk.setName('');
    expect(blk.name).toBe('');
    expect(BlockBackend.byName('d0')).toBeUndefined();
    blk.setName('d0');
  });

  test('NAME-3, NAME-4, NAME-5: one namespace for devices and nodes', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'null-co', 'node-name': 'n0' },
      { name: 'd0' },
    );
    await using upper = new BlockBackend({ name: 'D0' });
    expect(upper.name).toBe('D0');
    expect(() => new BlockBackend({ name: 'd0' })).toThrow(/a device is named 'd0'/);
    expect(() => new BlockBackend({ name: 'n0' })).toThrow(/a node is named 'n0'/);
    expect((await failure({ driver: 'null-co', 'node-name': 'd0' })).message).toMatch(/device/);
    expect((await failure({ driver: 'null-co', 'node-name': 'n0' })).message).toMatch(/a node/);
    await using same = await open('d0');
    expect(same.root).toBe(blk.root);
  });

  test('NAME-6: node names have at most 31 bytes, device names no limit', async () => {
    const name = 'n'.repeat(31);
    await using blk = await open({ driver: 'null-co', 'node-name': name });
    expect(blk.root?.name).toBe(name);
    expect(await failure({ driver: 'null-co', 'node-name': `${name}n` })).toMatchObject({
      code: 'EINVAL',
    });
    await using device = new BlockBackend({ name: 'd'.repeat(1000) });
    expect(device.name.length).toBe(1000);
  });

  test('NAME-11, NAME-12: order of naming and order of creation', async () => {
    await using a = new BlockBackend();
    await using b = new BlockBackend({ name: 'b' });
    await using c = new BlockBackend({ name: 'c' });
    a.setName('a');
    b.setName('');
    b.setName('b');
    expect(BlockBackend.named()).toEqual([c, a, b]);
    expect(BlockBackend.all()).toEqual([a, b, c]);
  });

  test('NAME-19: a generated name cannot be given, but can be used', async () => {
    await using blk = await open({ driver: 'null-co' });
    const name = blk.root?.name ?? '';
    expect(name).toMatch(/^#block\d+\d\d$/);
    expect((await failure({ driver: 'null-co', 'node-name': name })).message).toMatch(/Invalid/);
    await using same = await open(name);
    expect(same.root).toBe(blk.root);
  });
});

describe('permissions', () => {
  test('PERM-16: what a raw node holds on its file', async () => {
    const filename = image(MIB);
    const file = { driver: 'file', filename };
    const all = 15;
    await using filter = await open({ driver: 'raw', file });
    expect(filter.root?.children[0]?.edge).toMatchObject({ permissions: 3, shared: all });
    await using view = await open({ driver: 'raw', file, offset: 512 });
    expect(view.root?.children[0]?.edge).toMatchObject({ permissions: 3, shared: 7 });
    await using reader = await open({ driver: 'raw', 'read-only': true, file });
    expect(reader.root?.children[0]?.edge).toMatchObject({ permissions: 1, shared: all });
  });

  test('PERM-4, PERM-25: a writer that is not shared is refused by name', async () => {
    await using first = await BlockBackend.open(
      { driver: 'null-co', 'node-name': 'exclusive' },
      { name: 'd0', shared: ['consistent-read'] },
    );
    const refused = BlockBackend.open('exclusive');
    await expect(refused).rejects.toMatchObject({ code: 'EPERM', node: 'exclusive' });
    await expect(refused).rejects.toThrow(
      /an unnamed block device needs "write" as 'root', which block device 'd0'.* does not share/,
    );
    await using reader = await BlockBackend.open('exclusive', {
      permissions: ['consistent-read'],
    });
    expect(first.root?.parents.length).toBe(2);
    expect(reader.info().permissions).toEqual(['consistent-read']);
  });

  test('PERM-7, LC-10: a read-only medium gives a backend without write', async () => {
    await using blk = await open({ driver: 'null-co', 'read-only': true, 'node-name': 'ro' });
    expect(blk.info().permissions).toEqual(['consistent-read']);
    await expect(BlockBackend.open('ro', { permissions: ['write'] })).rejects.toMatchObject({
      code: 'EPERM',
    });
    expect(blk.root?.parents.length).toBe(1);
  });
});
