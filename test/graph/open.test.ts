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
      [{}, /either 'driver' or 'file' or 'filename' must be given/],
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

  test('PERM-25: a writer that is not shared is refused by name', async () => {
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

  test('PERM-7: a read-only medium gives a backend without write', async () => {
    await using blk = await open({ driver: 'null-co', 'read-only': true, 'node-name': 'ro' });
    expect(blk.info().permissions).toEqual(['consistent-read']);
    await expect(BlockBackend.open('ro', { permissions: ['write'] })).rejects.toMatchObject({
      code: 'EPERM',
    });
    expect(blk.root?.parents.length).toBe(1);
  });
});
