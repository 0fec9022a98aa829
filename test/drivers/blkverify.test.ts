import { readFileSync } from 'node:fs';
import { BlockBackend, verification } from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 65536;

onEveryEngineAndHome((context) => {
  let count = 0;

  const images = (testSize = SIZE) => {
    count += 1;
    const suffix = `${context().name}-${count}.img`;
    return {
      test: makeImage(folder, `test-${suffix}`, testSize),
      raw: makeImage(folder, `raw-${suffix}`, SIZE),
    };
  };

  const open = (files: { test: string; raw: string }, settings = {}) =>
    BlockBackend.open(
      {
        driver: 'blkverify',
        test: { driver: 'raw', file: fileOptions(files.test) },
        raw: fileOptions(files.raw),
      },
      { context: context(), ...settings },
    );

  const found = (blk: BlockBackend) => verification(blk.root ?? '');

  test('blkverify: both images get every write, and agree', async () => {
    const files = images();
    await using blk = await open(files);
    await blk.pwrite(512, Buffer.alloc(4096, 'a'));
    await blk.pwriteZeroes(8192, 4096);
    await blk.pwrite(1, Buffer.from('xyz'));
    const buffer = Buffer.alloc(SIZE);
    await blk.pread(0, buffer);
    await blk.flush();
    expect(buffer.subarray(1, 4).toString()).toBe('xyz');
    expect(readFileSync(files.test).equals(buffer)).toBe(true);
    expect(readFileSync(files.raw).equals(buffer)).toBe(true);
    expect(found(blk)).toEqual({ firstMismatch: undefined, mismatches: 0, disagreements: 0 });
  });

  test('blkverify: a difference fails the read with EIO and is remembered', async () => {
    const files = images();
    const damage = await BlockBackend.open(fileOptions(files.test), { context: context() });
    await damage.pwrite(5000, Buffer.from('x'));
    await damage.close();
    await using blk = await open(files);
    expect(await codeOf(blk.pread(0, Buffer.alloc(4096)))).toBe('none');
    expect(await codeOf(blk.pread(4096, Buffer.alloc(4096)))).toBe('EIO');
    expect(await codeOf(blk.pread(0, Buffer.alloc(8192)))).toBe('EIO');
    expect(found(blk)).toEqual({ firstMismatch: 5000, mismatches: 2, disagreements: 0 });
    await blk.pwrite(4096, Buffer.alloc(4096));
    expect(await codeOf(blk.pread(0, Buffer.alloc(8192)))).toBe('none');
  });

  test('blkverify: it is as long as the image under test, and both are needed', async () => {
    const files = images(SIZE / 2);
    await using blk = await open(files);
    expect(await blk.getLength()).toBe(SIZE / 2);
    expect(blk.root?.children.map(({ edge }) => [edge.name, edge.role])).toEqual([
      ['test', 0x01],
      ['raw', 0x14],
    ]);
    for (const missing of ['raw', 'test'] as const) {
      const one = { driver: 'blkverify', [missing]: { driver: 'null-co' } };
      expect(await codeOf(BlockBackend.open(one))).toBe('EINVAL');
    }
    expect(codeThrown(() => verification(blk.root?.children[0]?.edge.child ?? ''))).toBe('EINVAL');
  });

  test('blkverify: one image that fails alone is EIO, both together give their error', async () => {
    const half = (fail: string) => ({ driver: 'x-probe', fail });
    await using blk = await BlockBackend.open(
      { driver: 'blkverify', raw: half('pwrite:28:1'), test: half('pwrite:28:1,pread:13:1') },
      { context: context() },
    );
    expect(await codeOf(blk.pwrite(0, Buffer.alloc(512)))).toBe('ENOSPC');
    expect(await codeOf(blk.pread(0, Buffer.alloc(512)))).toBe('EIO');
    expect(found(blk)).toMatchObject({ mismatches: 0, disagreements: 1 });
    expect(await codeOf(blk.pread(0, Buffer.alloc(512)))).toBe('none');
  });

  test('blkverify: it cannot be resized', async () => {
    const probes = { raw: { driver: 'x-probe' }, test: { driver: 'x-probe' } };
    await using blk = await BlockBackend.open(
      { driver: 'blkverify', ...probes },
      { context: context(), resize: true },
    );
    expect(await codeOf(blk.truncate(4096))).toBe('ENOTSUP');
  });
});
