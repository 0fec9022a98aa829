import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allocatedSize, BlockBackend, type BlockdevOptions, probe } from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';

const folder = scratchFolder();
const KIB = 1024;
const SIZE = 256 * KIB;

onEveryEngineAndHome((context) => {
  const open = (options: BlockdevOptions, settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });

  test('ZERO-12: make-zero leaves a disk that reads as zeros, of the same size', async () => {
    const filename = makeImage(folder, 'zeroed.img', SIZE);
    await using blk = await open(rawOptions(filename));
    expect(await blk.makeZero()).toBe(0);
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE))).toBe(true);
    await blk.pwrite(512, Buffer.alloc(4096, 1));
    expect(blk.makeZeroSync()).toBe(0);
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE))).toBe(true);
  });

  test('ZERO-12: what reads as zeros already is not zeroed again', async () => {
    await using blk = await open({
      driver: 'x-probe',
      'node-name': 'watched',
      filter: true,
      file: { driver: 'x-probe', size: SIZE, 'node-name': 'memory' },
    });
    expect(await blk.makeZero()).toBe(0);
    expect(probe('memory').calls('pwriteZeroes')).toBe(0);
    await blk.pwrite(64 * KIB, Buffer.alloc(512, 1));
    expect(await blk.makeZero()).toBe(0);
    expect(probe('memory').calls('pwriteZeroes')).toBe(1);
    expect(probe('memory').allocatedClusters).toBe(0);
    expect((await blk.blockStatus(64 * KIB, SIZE)).zero).toBe(true);
  });

  test('ZERO-12: the errors of make-zero are those of its requests', async () => {
    const filename = makeImage(folder, 'sealed.img', SIZE);
    await using sealed = await open({ ...rawOptions(filename), 'read-only': true });
    expect(await codeOf(sealed.makeZero())).toBe('EPERM');
    await sealed.remove();
    expect(await codeOf(sealed.makeZero())).toBe('ENOMEDIUM');
    expect(codeThrown(() => sealed.makeZeroSync())).toBe('ENOMEDIUM');
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64))).toBe(true);
    await using failing = await open({ driver: 'x-probe', 'node-name': 'failing', size: SIZE });
    await failing.pwrite(0, Buffer.alloc(512, 1));
    probe('failing').failNext('pwriteZeroes', 'ENOSPC');
    await expect(failing.makeZero()).rejects.toMatchObject({ code: 'ENOSPC', node: 'failing' });
  });

  test('MISC-18: make-empty shows the backing file again, where the driver can', async () => {
    await using blk = await open({
      driver: 'x-probe',
      size: SIZE,
      backing: fileOptions(makeImage(folder, 'backing.img', SIZE, 7)),
    });
    await blk.pwrite(0, Buffer.alloc(4096, 1));
    expect(await blk.makeEmpty()).toBe(0);
    const data = Buffer.alloc(4096);
    await blk.pread(0, data);
    expect(data.equals(Buffer.alloc(4096, 7))).toBe(true);
    expect((await blk.isAllocated(0, SIZE)).allocated).toBe(false);
    await using raw = await open(rawOptions(makeImage(folder, 'full.img', SIZE)));
    expect(await codeOf(raw.makeEmpty())).toBe('ENOTSUP');
    await raw.remove();
    expect(await codeOf(raw.makeEmpty())).toBe('ENOMEDIUM');
    expect(codeThrown(() => raw.makeEmptySync())).toBe('ENOMEDIUM');
  });

  test('NEW-5: make-empty; may write and can write are two questions', async () => {
    await using blk = await open({ driver: 'x-probe', size: SIZE });
    await blk.pwrite(0, Buffer.alloc(512, 1));
    expect([blk.makeEmptySync(), blk.isWritable, blk.supportsWrite]).toEqual([0, true, true]);
    const reading = { permissions: ['consistent-read'] };
    await using reader = await open({ driver: 'x-probe', size: SIZE }, reading);
    expect([reader.isWritable, reader.supportsWrite]).toEqual([false, true]);
    await using sealed = await open({ driver: 'null-co', 'read-only': true }, reading);
    expect([sealed.isWritable, sealed.supportsWrite]).toEqual([false, false]);
  });

  test('MISC-18: make-empty needs write or write-unchanged', async () => {
    const image = { driver: 'x-probe', size: SIZE };
    await using reader = await open(image, { permissions: ['consistent-read'] });
    expect(await codeOf(reader.makeEmpty())).toBe('EPERM');
    await using writer = await open(image, { permissions: ['write-unchanged'] });
    expect(writer.makeEmptySync()).toBe(0);
  });

  test('MISC-19: an image without metadata cannot be checked', async () => {
    await using blk = await open(rawOptions(makeImage(folder, 'checked.img', SIZE)));
    expect(await codeOf(blk.check())).toBe('ENOTSUP');
    expect(codeThrown(() => blk.checkSync())).toBe('ENOTSUP');
    await blk.remove();
    expect(await codeOf(blk.check())).toBe('ENOMEDIUM');
  });

  test('FILE-22: the allocated size is what the file system says, in blocks of 512', async () => {
    const filename = join(folder, 'allocated.img');
    writeFileSync(filename, Buffer.alloc(64 * KIB, 1));
    truncateSync(filename, SIZE);
    await using blk = await open({ ...rawOptions(filename), discard: 'unmap' });
    const onDisk = () => statSync(filename).blocks * 512;
    await blk.flush();
    expect(blk.root && (await allocatedSize(blk.root))).toBe(onDisk());
    await blk.pdiscard(0, 64 * KIB);
    expect(blk.root && (await allocatedSize(blk.root))).toBe(onDisk());
    expect(onDisk()).toBeLessThan(64 * KIB);
    const file = blk.root?.child('file')?.edge.child;
    expect([file?.info().clusterSize, blk.root?.info().clusterSize]).toEqual([0, 0]);
    await using memory = await open({ driver: 'x-probe' });
    expect(memory.root?.info().clusterSize).toBe(65536);
  });
});

describeWith(['strace'], 'may-unmap on its way', () => {
  const PUNCH = 'fallocate KEEP_SIZE|PUNCH_HOLE';
  const ZERO = 'fallocate ZERO_RANGE';

  test.each([
    ['a filter', "{ driver: 'x-probe', filter: true, file }", 'ignore', [ZERO]],
    ['a filter', "{ driver: 'x-probe', filter: true, file }", 'unmap', [PUNCH]],
    ['nothing', 'file', 'ignore', [PUNCH]],
    ['nothing', 'file', 'unmap', [PUNCH]],
  ])(
    'ZERO-3: over a file through %s (%s) opened with discard=%s',
    async (_, top, discard, calls) => {
      const filename = makeImage(folder, 'unmap.img', SIZE);
      const traces = await traced(
        `const context = new AioContext({ aio: 'threads' });
      const file = { driver: 'file', filename, discard: '${discard}' };
      const blk = await BlockBackend.open(${top}, { context });
      await blk.pwriteZeroes(0, 8192, { mayUnmap: true });
      await blk.close(); await context.close();`,
        { filename, trace: 'fallocate' },
      );
      expect(traces.calls).toEqual(calls);
    },
  );

  test('ZERO-3: make-zero is a parent like others, also of the root', async () => {
    for (const [discard, calls] of [
      ['ignore', [ZERO]],
      ['unmap', [PUNCH]],
    ] as const) {
      const filename = makeImage(folder, 'unmap.img', SIZE);
      const traces = await traced(
        `const context = new AioContext({ aio: 'threads' });
        const file = { driver: 'file', filename, discard: '${discard}' };
        const blk = await BlockBackend.open(file, { context });
        await blk.makeZero({ mayUnmap: true });
        await blk.close(); await context.close();`,
        { filename, trace: 'fallocate' },
      );
      expect(traces.calls).toEqual(calls);
    }
  });
});
