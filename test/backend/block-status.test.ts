import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend, type BlockdevOptions, type BlockStatus, probe } from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage, submittedBy } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';

const folder = scratchFolder();
const KIB = 1024;
const SIZE = 256 * KIB;

/** Data in [64 KiB, 128 KiB), holes before and after. */
function sparseImage(name: string, size = SIZE): string {
  const filename = join(folder, name);
  writeFileSync(filename, '');
  const fd = openSync(filename, 'r+');
  ftruncateSync(fd, size);
  writeSync(fd, Buffer.alloc(64 * KIB, 0x64), 0, 64 * KIB, 64 * KIB);
  closeSync(fd);
  return filename;
}

/** '0+65536 zero', 'data' ...: a whole disk. */
async function mapOf(blk: BlockBackend, step = SIZE): Promise<string[]> {
  const map: string[] = [];
  for (let at = 0; ; ) {
    const status = await blk.blockStatus(at, step);
    if (status.bytes === 0) return map;
    map.push(`${at}+${status.bytes} ${kindOf(status)}`);
    at += status.bytes;
  }
}

function kindOf({ data, zero, allocated }: BlockStatus): string {
  const kind = [data && 'data', zero && 'zero'].filter(Boolean).join('+') || 'nothing';
  return allocated ? kind : `(${kind})`;
}

onEveryEngineAndHome((context) => {
  const open = (options: BlockdevOptions, settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });

  test('BST-1: past the end there is nothing but the end', async () => {
    await using blk = await open(fileOptions(makeImage(folder, 'end.img', SIZE)));
    const past = await blk.blockStatus(SIZE, 4096);
    expect(past).toMatchObject({ bytes: 0, endOfFile: true, allocated: false, data: false });
    expect(await blk.blockStatus(4096, 0)).toMatchObject({ bytes: 0, endOfFile: false });
    const reaching = await blk.blockStatus(SIZE - 4096, 2 ** 40);
    expect(reaching).toMatchObject({ bytes: 4096, endOfFile: true, data: true });
    expect(await blk.blockStatus(0, 4096)).toMatchObject({ bytes: 4096, endOfFile: false });
    expect(await codeOf(blk.blockStatus(-512, 512))).toBe('EIO');
    expect(await codeOf(blk.blockStatus(0, -1))).toBe('EIO');
    expect(blk.inFlight).toBe(0);
  });

  test('BST-6: holes are zero, data is data, each at its place in the file', async () => {
    const filename = sparseImage('holes.img');
    await using blk = await open(rawOptions(filename, { 'node-name': 'holes' }));
    expect(await mapOf(blk)).toEqual(['0+65536 zero', '65536+65536 data', '131072+131072 zero']);
    const file = blk.root?.child('file')?.edge.child.name;
    const inside = await blk.blockStatus(65536 + 4096, 4096);
    expect(inside).toMatchObject({ offset: 65536 + 4096, node: file, depth: 1 });
    const hole = await blk.blockStatus(200 * KIB, SIZE);
    expect(hole).toMatchObject({ bytes: 56 * KIB, zero: true, offset: 200 * KIB, node: file });
    expect(hole.endOfFile).toBe(true);
  });

  test('BST-6: of 65537 bytes the last byte is data, and the rest of its sector zero', async () => {
    const filename = join(folder, 'odd.img');
    writeFileSync(filename, '');
    const fd = openSync(filename, 'r+');
    ftruncateSync(fd, 65536);
    writeSync(fd, 'x', 65536);
    closeSync(fd);
    {
      await using blk = await open({ driver: 'file', filename });
      const map = ['0+65536 zero', '65536+1 data', '65537+511 zero'];
      expect(await mapOf(blk)).toEqual(map);
    }
    // Where requests are whole blocks, the block is data as a whole.
    const whole = { driver: 'file', filename, cache: { direct: true }, 'read-only': true };
    await using direct = await open(whole);
    expect(await mapOf(direct)).toEqual(['0+65536 zero', '65536+512 data']);
  });

  test('BST-7: without want-zero nobody looks for holes', async () => {
    await using blk = await open(fileOptions(sparseImage('unwanted.img')));
    const calls = await submittedBy(context(), async () => {
      const status = await blk.blockStatus(0, SIZE, { wantZero: false });
      expect(status).toMatchObject({ bytes: SIZE, data: true, zero: false, offset: 0 });
    });
    expect(calls.call).toBe(0);
  });

  test('BST-8: data that was found once is not looked for again', async () => {
    const filename = sparseImage('cached.img');
    await using blk = await open(fileOptions(filename, { discard: 'unmap' }));
    const lookups = async (offset: number) =>
      (await submittedBy(context(), () => blk.blockStatus(offset, 4096))).call;
    expect(await lookups(64 * KIB)).toBe(1);
    expect(await lookups(96 * KIB)).toBe(0);
    expect(await blk.blockStatus(96 * KIB, SIZE)).toMatchObject({ bytes: 32 * KIB, data: true });
    // Holes are not remembered.
    expect([await lookups(0), await lookups(0)]).toEqual([1, 1]);
    expect(await lookups(96 * KIB)).toBe(0);
    await blk.pdiscard(64 * KIB, 4096);
    expect(await lookups(96 * KIB)).toBe(1);
    expect(await lookups(64 * KIB)).toBe(1);
  });

  test.each(['zero-write', 'discard'])(
    'ZERO-14: a %s makes the cached data a hole',
    async (how) => {
      const filename = sparseImage(`${how}.img`);
      await using blk = await open(fileOptions(filename, { discard: 'unmap' }));
      expect(await blk.blockStatus(64 * KIB, SIZE)).toMatchObject({ data: true, bytes: 64 * KIB });
      if (how === 'discard') await blk.pdiscard(80 * KIB, 16 * KIB);
      else await blk.pwriteZeroes(80 * KIB, 16 * KIB, { mayUnmap: true });
      expect(await blk.blockStatus(64 * KIB, SIZE)).toMatchObject({ data: true, bytes: 16 * KIB });
      expect(await blk.blockStatus(80 * KIB, SIZE)).toMatchObject({ zero: true, bytes: 16 * KIB });
    },
  );

  test('BST-9: a window is asked at its place in the file, filters as if they were not there', async () => {
    const filename = sparseImage('window.img');
    await using blk = await open({
      driver: 'x-probe',
      filter: true,
      file: { ...rawOptions(filename), offset: 32 * KIB, size: 64 * KIB },
    });
    expect(await mapOf(blk)).toEqual(['0+32768 zero', '32768+32768 data']);
    expect((await blk.blockStatus(40 * KIB, 4096)).offset).toBe(72 * KIB);
    await using verify = await open({
      driver: 'blkverify',
      raw: fileOptions(sparseImage('verify.img')),
      test: { driver: 'null-co', size: SIZE },
    });
    expect(await mapOf(verify)).toEqual(['0+65536 zero', '65536+65536 data', '131072+131072 zero']);
  });

  test('BST-10: null is zero with read-zeroes, else nothing, both with an offset', async () => {
    await using zeroes = await open({ driver: 'null-co', size: SIZE, 'read-zeroes': true });
    const zero = await zeroes.blockStatus(4096, 8192);
    expect(zero).toMatchObject({ bytes: 8192, zero: true, data: false, offset: 4096 });
    expect(await zeroes.isAllocated(0, 4096)).toEqual({ allocated: true, bytes: 4096 });
    await using nothing = await open({ driver: 'null-aio', size: SIZE });
    const status = await nothing.blockStatus(4096, 8192);
    expect(status).toMatchObject({ bytes: 8192, zero: false, data: false, offset: 4096 });
    expect(await nothing.isAllocated(0, 4096)).toEqual({ allocated: false, bytes: 4096 });
  });

  test('BST-5: which layer of a backing chain has it', async () => {
    const layer = (name: string, backing: BlockdevOptions | null) => ({
      ...{ driver: 'x-probe', 'node-name': name, size: SIZE, backing },
    });
    const chain = layer('chain-top', layer('chain-middle', layer('chain-base', null)));
    await using blk = await open(chain);
    const middle = blk.root?.backing?.child;
    const base = middle?.backing?.child;
    await using writer = await open({
      ...layer('chain-other', null),
    });
    await writer.pwrite(0, Buffer.alloc(512, 1));
    await blk.pwrite(64 * KIB, Buffer.alloc(512, 1));
    expect(await blk.isAllocated(64 * KIB, SIZE)).toEqual({ allocated: true, bytes: 64 * KIB });
    expect((await blk.isAllocated(0, SIZE)).allocated).toBe(false);
    expect(await blk.isAllocatedAbove(base, 64 * KIB, SIZE)).toEqual({ depth: 1, bytes: 65536 });
    expect((await blk.isAllocatedAbove(undefined, 0, SIZE)).depth).toBe(0);
    expect((await blk.isAllocatedAbove('chain-base', 0, SIZE)).depth).toBe(0);
    expect(await codeOf(blk.isAllocatedAbove(writer.root, 0, SIZE))).toBe('EINVAL');
    expect(await codeOf(blk.isAllocatedAbove('nobody', 0, SIZE))).toBe('ENOENT');
  });

  test('BST-3: what nobody has allocated is zero, in the end', async () => {
    await using alone = await open({ driver: 'x-probe', size: SIZE });
    const status = await alone.blockStatus(0, SIZE);
    expect(status).toMatchObject({ zero: true, allocated: false, data: false });
    await using blk = await open({
      driver: 'x-probe',
      size: SIZE,
      backing: { driver: 'x-probe', size: SIZE / 2 },
    });
    expect((await blk.blockStatus(0, 4096)).zero).toBe(false);
    expect((await blk.blockStatus(SIZE / 2, 4096)).zero).toBe(true);
    expect((await blk.blockStatusAbove(undefined, 0, 4096)).zero).toBe(true);
  });

  test('BST-11: zero bytes and past the end are not allocated', async () => {
    await using blk = await open(rawOptions(makeImage(folder, 'eleven.img', SIZE)));
    expect(await blk.isAllocated(0, SIZE)).toEqual({ allocated: true, bytes: SIZE });
    expect(await blk.isAllocated(0, 0)).toEqual({ allocated: false, bytes: 0 });
    expect(await blk.isAllocated(SIZE, 4096)).toEqual({ allocated: false, bytes: 0 });
  });

  test('BST-4: a range need not be aligned', async () => {
    const file = { driver: 'x-probe', filter: true, 'request-alignment': 4096 };
    await using blk = await open({ ...file, file: fileOptions(sparseImage('aligned.img')) });
    const status = await blk.blockStatus(64 * KIB + 100, 1000);
    expect(status).toMatchObject({ bytes: 1000, data: true, offset: 64 * KIB + 100 });
    expect((await blk.blockStatus(60 * KIB + 1, SIZE)).bytes).toBe(4 * KIB - 1);
  });

  test('CTX-19: the synchronous form says the same, wherever the node lives', async () => {
    await using blk = await open(rawOptions(sparseImage('sync.img')));
    const status = await blk.blockStatus(4096, SIZE);
    expect(blk.blockStatusSync(4096, SIZE)).toEqual(status);
    expect(blk.isAllocatedSync(0, 0)).toEqual({ allocated: false, bytes: 0 });
    expect(codeThrown(() => blk.blockStatusSync(-1, 1))).toBe('EIO');
    await blk.remove();
    expect(codeThrown(() => blk.blockStatusSync(0, 1))).toBe('ENOMEDIUM');
    expect(await codeOf(blk.blockStatus(0, 1))).toBe('ENOMEDIUM');
  });
});

test('BST-2: a failing query tells the errno and the node', async () => {
  await using blk = await BlockBackend.open({ driver: 'x-probe', 'node-name': 'failing' });
  probe('failing').failNext('blockStatus', 'EIO');
  await expect(blk.blockStatus(0, 4096)).rejects.toMatchObject({ code: 'EIO', node: 'failing' });
  expect((await blk.blockStatus(0, 4096)).bytes).toBe(4096);
});

test('a query waits in a drained section like every request', async () => {
  await using blk = await BlockBackend.open({ driver: 'x-probe' });
  const section = await blk.drained();
  const query = blk.blockStatus(0, 4096);
  await new Promise((resolve) => setImmediate(resolve));
  expect(blk.parked).toBe(1);
  expect(codeThrown(() => blk.blockStatusSync(0, 4096))).toBe('EDEADLK');
  const stopped = new AbortController();
  const leaving = codeOf(blk.isAllocated(0, 4096, { signal: stopped.signal }));
  stopped.abort();
  expect(await leaving).toBe('ABORT_ERR');
  section.end();
  expect((await query).bytes).toBe(4096);
});

describeWith(['strace'], 'where the file system cannot tell', () => {
  test('BST-6: without SEEK_HOLE all is data', async () => {
    const filename = sparseImage('unseekable.img');
    const { reported } = await traced(
      `const context = new AioContext({ aio: 'threads' });
      const blk = await BlockBackend.open({ driver: 'file', filename }, { context });
      const { bytes, data, zero } = await blk.blockStatus(0, ${SIZE});
      report({ bytes, data, zero });
      await blk.close(); await context.close();`,
      // The first ones find out the length.
      { filename, trace: 'lseek', inject: 'lseek:error=EINVAL:when=2+' },
    );
    expect(reported).toEqual([{ bytes: SIZE, data: true, zero: false }]);
  });
});
