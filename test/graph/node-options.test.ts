// What options, filenames, headers and parents make of a node that is opened.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { backingName, combine } from '../../lib/graph/filename.js';
import { filenameOf } from '../../lib/graph/node-filename.js';
import {
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  type ImageOptions,
  probe,
} from '../../lib/index.js';
import { clearGraph, contentOf, nodeOf, refused } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { tinyTmpfs } from '../support/mounts.js';
import { codeOf } from '../support/requests.js';

const MIB = 1 << 20;
const folder = scratchFolder();
const tmpfs = tinyTmpfs(4 * MIB);
const testMounted = tmpfs.refusal === undefined ? test : test.skip;

/** A file of that name in the scratch folder, of one MiB. */
function named(name: string, start = ''): string {
  const filename = join(folder, name);
  mkdirSync(dirname(filename), { recursive: true });
  const content = Buffer.alloc(MIB, '.');
  content.write(start);
  writeFileSync(filename, content);
  return filename;
}

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const open = (options: ImageOptions | string, settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });
  const message = async (options: ImageOptions | string) =>
    (await refused(() => open(options))).message;
  /** Drivers from the root down to the file. */
  const drivers = (blk: BlockBackend): string[] => {
    const found: string[] = [];
    for (let node = blk.root; node !== undefined; node = node.storage?.child) {
      found.push(node.driver.name);
    }
    return found;
  };
  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });

  test('GRAPH-4: an unknown driver or option is named, after children were opened too', async () => {
    expect(await message({ driver: 'qcow9' })).toContain("'qcow9'");
    expect(await message({ driver: 'x-probe', colour: 1 })).toContain("'colour'");
    const file = { driver: 'file', filename: image(MIB), colour: 1 };
    expect(await message({ driver: 'raw', file })).toContain("'file.colour'");
    expect(await message({ filename: image(MIB), colour: 1 })).toContain("'colour'");
    const deep = { driver: 'x-probe', file: { driver: 'x-probe' }, backing: file };
    expect(await message(deep)).toContain("'backing.colour'");
  });

  test('GRAPH-5: the prefix selects the protocol, file: is stripped, ./ avoids it, json: has lower priority', async () => {
    const filename = named('plain.img');
    const odd = named('null-co:odd.img', 'odd');
    const cwd = process.cwd();
    for (const [options, expected] of [
      [{ filename }, ['raw', 'file']],
      [{ filename: `file:${filename}` }, ['raw', 'file']],
      [{ filename: 'null-co://' }, ['raw', 'null-co']],
      [{ driver: 'raw', filename: 'null-aio://' }, ['raw', 'null-aio']],
      [{ filename: 'json:{"driver":"null-co","size":4096}' }, ['null-co']],
      [{ filename: odd }, ['raw', 'file']],
      // An option that is called filename has no prefix.
      [{ 'file.filename': filename }, ['raw', 'file']],
      [{ driver: 'file', filename }, ['file']],
    ] as [ImageOptions, string[]][]) {
      await using blk = await open(options);
      expect([options, drivers(blk)]).toEqual([options, expected]);
    }
    process.chdir(folder);
    try {
      expect(await message({ filename: 'null-co:odd.img' })).toContain("'null-co'");
      await using dotted = await open({ filename: './null-co:odd.img' });
      expect(await contentOf(dotted, 0, 4)).toBe('odd.');
      await using option = await open({ file: { filename: 'null-co:odd.img' } });
      expect(await contentOf(option, 0, 4)).toBe('odd.');
      expect(await message({ file: { filename: 'file:null-co:odd.img' } })).toContain(
        'no such file',
      );
    } finally {
      process.chdir(cwd);
    }
    const json = 'json:{"driver":"null-co","size":4096,"read-only":true,"node-name":"j"}';
    await using blk = await open({ filename: json, size: 8192, 'read-only': false });
    expect([await blk.getLength(), blk.root?.readOnly, blk.root?.name]).toEqual([8192, false, 'j']);
  });

  test('GRAPH-5: an unknown protocol is refused', async () => {
    const error = await refused(() => open({ filename: 'nfs9://host/disk' }));
    expect([error.code, error.message]).toEqual(['EINVAL', expect.stringContaining("'nfs9'")]);
    expect(await codeOf(open({ filename: 'null-co://x' }))).toBe('EINVAL');
    expect(await codeOf(open({ filename: 'raw:x' }))).toBe('EINVAL');
  });

  test('GRAPH-6: a filename and an explicit file, or neither a driver nor a file, are refused', async () => {
    const filename = image(MIB);
    await add('node');
    for (const options of [
      { filename, file: 'node' },
      { filename, file: { driver: 'file', filename } },
      { filename, 'file.filename': filename },
      { driver: 'raw', filename, file: 'node' },
      {},
      { 'read-only': true },
      { filename: 'json:{}' },
      { backing: 'node' },
    ]) {
      expect([options, (await refused(() => open(options))).code]).toEqual([options, 'EINVAL']);
    }
    // By command, the driver must be said.
    const nameless = { 'node-name': 'n', filename } as unknown as BlockdevOptions;
    expect((await refused(() => blockdevAdd(nameless))).message).toContain("'driver'");
  });

  test('GRAPH-7: the format is found in the header, and raw takes what nobody else knows', async () => {
    await using known = await open({ filename: named('known.img', 'x-probe\nmore') });
    expect(drivers(known)).toEqual(['x-probe', 'file']);
    await using other = await open({ filename: named('other.img', 'X-PROBE') });
    expect(drivers(other)).toEqual(['raw', 'file']);
    await using empty = await open({ filename: image(0) });
    expect(drivers(empty)).toEqual(['raw', 'file']);
    await using short = await open({ filename: image(3, Buffer.from('x-p')) });
    expect(drivers(short)).toEqual(['raw', 'file']);
    await using options = await open({
      filename: named('options.img', 'x-probe\n'),
      note: 'of the format',
      'node-name': 'top',
      cache: { 'no-flush': true },
    });
    expect([options.root?.name, probe('top').note]).toEqual(['top', 'of the format']);
    expect(options.root?.storage?.child.state.noFlush).toBe(true);
    expect(options.root?.storage?.child.inheritsFrom).toBe(options.root);
    await using reader = await open({ filename: named('ro.img', 'x-probe\n'), 'read-only': true });
    expect(reader.root?.storage?.child.readOnly).toBe(true);
    expect(await codeOf(reader.pwrite(0, Buffer.alloc(512)))).toBe('EPERM');
  });

  test('GRAPH-7: the header is read with no permissions, and a failure leaves nothing', async () => {
    await add('node');
    await add('log');
    const writer = await open('node', { shared: [] });
    await writer.pwrite(0, Buffer.from('x-probe\n'));
    const before = probe('node').calls('pread');
    // Probing reads what the new node, which writes to its file, may not have.
    const error = await refused(() => open({ file: 'node' }));
    expect(error.code).toBe('EPERM');
    expect(probe('node').calls('pread')).toBe(before + 1);
    await writer.close();
    await using blk = await open({ file: 'node' });
    expect(drivers(blk)).toEqual(['x-probe', 'x-probe']);
    probe('log').failNext('pread');
    expect((await refused(() => open({ file: 'log' }))).code).toBe('EIO');
    expect(BlockBackend.all()).toEqual([blk]);
  });

  test('GRAPH-8: a child has from its parent what it does not say itself', async () => {
    const filename = named('inherit.img');
    const file = { driver: 'file', filename };
    const flags = (name: string) => nodeOf(name).state;
    await add('top', {
      cache: { direct: false, 'no-flush': true },
      'auto-read-only': true,
      file: { ...file, 'node-name': 'file' },
      backing: { driver: 'x-probe', 'node-name': 'back' },
    });
    expect(flags('top')).toMatchObject({ noFlush: true, autoReadOnly: true, discardUnmap: false });
    expect(flags('file')).toMatchObject({
      noFlush: true,
      readOnly: false,
      autoReadOnly: true,
      discardUnmap: true,
    });
    expect(flags('back')).toMatchObject({
      noFlush: true,
      readOnly: true,
      autoReadOnly: false,
      discardUnmap: true,
    });
    await add('shared', {
      'read-only': true,
      'force-share': true,
      file: { ...file, 'node-name': 'shared-file' },
    });
    expect(flags('shared-file')).toMatchObject({ forceShare: true, readOnly: true });
    await add('own', {
      'read-only': true,
      cache: { direct: true },
      file: {
        driver: 'x-probe',
        'node-name': 'own-file',
        cache: { direct: false },
        discard: 'ignore',
      },
      backing: { driver: 'x-probe', 'node-name': 'own-back', 'read-only': false },
    });
    expect(flags('own-file')).toMatchObject({ direct: false, discardUnmap: false, readOnly: true });
    expect(flags('own-back')).toMatchObject({ direct: true, readOnly: false });
    const blk = await open('top');
    expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('GRAPH-9: that a node shall have no backing file does not concern its children', async () => {
    const base = named('no-backing.img', 'base');
    await add('top', {
      backing: null,
      'backing-filename': base,
      roles: { file: 'data,primary', backing: 'cow' },
      file: { driver: 'x-probe', 'node-name': 'inner', 'backing-filename': base },
    });
    expect(nodeOf('top').backing).toBeUndefined();
    expect(nodeOf('inner').backing?.child.driver.name).toBe('raw');
    const blk = await open('top');
    expect(await contentOf(blk, 0, 4)).toBe('base');
  });

  test('GRAPH-10: the backing file that the header names is opened, unless backing is null or empty', async () => {
    const base = named('header.img', 'base');
    const overlay = { driver: 'x-probe', 'backing-filename': base };
    await using named_ = await open(overlay);
    expect(await contentOf(named_, 0, 4)).toBe('base');
    const child = named_.root?.backing?.child;
    expect([child?.driver.name, child?.readOnly, child?.inheritsFrom]).toEqual([
      'raw',
      true,
      named_.root,
    ]);
    for (const backing of [null, '']) {
      await using none = await open({ ...overlay, backing });
      expect(none.root?.backing).toBeUndefined();
      expect(await contentOf(none, 0, 4)).toBe('\0\0\0\0');
    }
    await add('other');
    await using other = await open({ ...overlay, backing: 'other' });
    expect(other.root?.backing?.child.name).toBe('other');
    const missing = { driver: 'x-probe', 'node-name': 'x', 'backing-filename': '/nowhere.img' };
    expect((await refused(() => open(missing))).code).toBe('ENOENT');
    expect(await codeOf(open({ ...missing, 'backing-filename': 'nfs9:x' }))).toBe('EINVAL');
    await using later = await open({ driver: 'x-probe', 'node-name': 'x' });
    expect(later.root?.name).toBe('x');
  });

  test('GRAPH-11: a backing filename is relative to the folder of its overlay', async () => {
    named('images/base.img', 'base');
    const overlay = named('images/overlay.img');
    const options = (filename: string): BlockdevOptions => ({
      driver: 'x-probe',
      roles: { file: 'data,metadata,primary', backing: 'cow' },
      'backing-filename': 'base.img',
      file: { driver: 'file', filename },
    });
    await using blk = await open(options(overlay));
    const child = blk.root?.backing?.child;
    expect(child && filenameOf(child)).toBe(join(folder, 'images/base.img'));
    // Without a name, or with more than a name, there is no folder.
    const nameless = { driver: 'x-probe', 'backing-filename': 'base.img' };
    expect((await refused(() => open(nameless))).code).toBe('EINVAL');
    const other = { driver: 'file', filename: named('images/other.img') };
    const window = { driver: 'raw', offset: 512, file: other };
    const json = { ...options(overlay), file: window };
    expect((await refused(() => open(json))).message).toContain('json:');
  });

  testMounted('GRAPH-14: a size above 2^63 - 2^30 is EFBIG at open', async () => {
    const limit = 2n ** 63n - 2n ** 30n;
    const sized = (bytes: bigint) => {
      const filename = join(tmpfs.folder, `size-${bytes}`);
      execFileSync('truncate', ['-s', String(bytes), filename]);
      return { driver: 'file', filename };
    };
    expect((await refused(() => open(sized(limit + 1n)))).code).toBe('EFBIG');
    expect((await refused(() => open(sized(2n ** 63n - 1n)))).code).toBe('EFBIG');
    await using blk = await open(sized(limit));
    expect(BigInt(await blk.getLength())).toBe(limit);
  });
});

describe('filenames', () => {
  test('GRAPH-11: arithmetic of paths', () => {
    for (const [base, name, expected] of [
      ['/a/b.img', 'c.img', '/a/c.img'],
      ['/a/b.img', '/c.img', '/c.img'],
      ['b.img', 'c.img', 'c.img'],
      ['a/b.img', '../c.img', 'a/../c.img'],
      ['nbd:a/b', 'c', 'nbd:a/c'],
      ['nbd:b', 'c', 'nbd:c'],
      ['', 'c', 'c'],
    ] as const) {
      expect([base, name, combine(base, name)]).toEqual([base, name, expected]);
    }
    expect(backingName('/a/b', 'nbd:c')).toBe('nbd:c');
    expect(backingName('', '/c')).toBe('/c');
    expect(backingName('json:{}', '/c')).toBe('/c');
    expect(() => backingName('json:{}', 'c')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => backingName('', 'c')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
